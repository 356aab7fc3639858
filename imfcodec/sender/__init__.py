"""The sender: frames -> segments -> packets.

encode.py           the spine: video in, stream out
target.py           the video encoded several times, to meet a rate or a size
search.py           the setting whose bytes are as wanted
encoder.py          Encoder: pictures in, stream out
settings.py         from the options to a planner and a segment coder
live_source.py      frames of a live source, dropped if they come too fast
source_frame.py     one frame of the source
layout/             which parts of the video are coded in which way
segment.py          Segment: frames, and the key frame that ends them
planning/           frames -> segments
layer.py            a planner and a segment coder, put together
rate.py             the settings of each segment
analysis.py         segments -> key pictures and tokens, by several threads
segment_coder.py    segments -> packets
interleave.py       sound between the picture packets
key_coder.py        key frames -> AV1, and decoded as the receiver sees them
key_sizer.py        segments -> packets without tokens, to know their size
reference_choice.py which of two key frames a frame is rebuilt from
luma_cells.py       pictures reduced to mean luma, to compare them
face_emphasis.py    where errors count more
latent_tokens.py    a reference, and the tokens of the frames that use it
token_refinement.py tokens improved with the receiver's network
token_smoothing.py  tokens smoothed over time
token_choice.py     tokens -> integers, bits against error
token_holding.py    which frames share a token
runs.py             frames -> AV1 run packets
plain_video.py      how long the pictures of a run are held
run_coder.py        the base as plain video
judge.py            how far pictures seem to be from their sources
monitor.py          what the receiver will see, measured
peak_rate.py        the highest rate of a few seconds
report.py           EncodeReport
"""

from imfcodec.sender.encode import encode
from imfcodec.sender.report import EncodeReport

__all__ = ["EncodeReport", "encode"]
