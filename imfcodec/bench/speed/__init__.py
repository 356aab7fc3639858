"""How fast the codec is, where its time goes and what memory it takes, beside two anchors.

Every figure comes from a process of its own, which is given as many cores as there are threads,
warms up on a few frames and then runs the whole command once.
"""

from imfcodec.bench.speed.measure import measure_speed
from imfcodec.bench.speed.result import SpeedResult, SpeedRow, Stage
from imfcodec.bench.speed.terminal import terminal_table

__all__ = ["SpeedResult", "SpeedRow", "Stage", "measure_speed", "terminal_table"]
