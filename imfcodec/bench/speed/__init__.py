"""Speed, time per stage and memory of the codec, compared with two anchors.

Every figure comes from a separate process, which has as many cores as threads, warms up on a few
frames and then runs the whole command once.
"""

from imfcodec.bench.speed.measure import measure_speed
from imfcodec.bench.speed.result import SpeedResult, SpeedRow, Stage

__all__ = ["SpeedResult", "SpeedRow", "Stage", "measure_speed"]
