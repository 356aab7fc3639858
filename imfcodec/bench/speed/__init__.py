"""Speed, time per stage and memory of the codec, compared with two anchors.

Every figure comes from a separate process, which has as many cores as threads. `measure_speed`
warms up on a few frames and then runs the whole command once. `measure_real_time` runs the commands
as users do, start included, with a player at the other end of the pipe.
"""

from imfcodec.bench.speed.measure import measure_speed
from imfcodec.bench.speed.real_time import measure_real_time
from imfcodec.bench.speed.result import Playing, RealTime, SpeedResult, SpeedRow, Stage

__all__ = [
    "Playing",
    "RealTime",
    "SpeedResult",
    "SpeedRow",
    "Stage",
    "measure_real_time",
    "measure_speed",
]
