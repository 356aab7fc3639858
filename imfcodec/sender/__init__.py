"""The sender: frames -> segments -> packets.

encode.py           the spine: video in, stream out
target.py           the video encoded several times, to meet a rate or a size
encoder.py          Encoder: pictures in, stream out
settings.py         from the options to a planner and a segment coder
source_frame.py     one frame of the source
segment.py          Segment: frames, and the key frame that ends them
planning/           frames -> segments
segment_coder.py    segments -> packets
interleave.py       sound between the picture packets
key_coder.py        key frames -> AV1, and decoded as the receiver sees them
key_sizer.py        segments -> packets without tokens, to know their size
reference_choice.py which of two key frames a frame is rebuilt from
luma_cells.py       pictures reduced to mean luma, to compare them
latent_tokens.py    a reference, and the tokens of the frames that use it
token_refinement.py tokens improved with the receiver's network
token_smoothing.py  tokens smoothed over time
token_choice.py     tokens -> integers, bits against error
monitor.py          what the receiver will see, measured
peak_rate.py        the highest rate of a few seconds
report.py           EncodeReport
"""

from imfcodec.sender.encode import encode
from imfcodec.sender.report import EncodeReport

__all__ = ["EncodeReport", "encode"]
