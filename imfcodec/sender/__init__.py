"""The sender: pictures -> key frames and tokens -> packets.

encode.py           the spine: video in, stream out
source_frame.py     one frame of the source
keyframe_policy.py  when a frame becomes a key frame, and of which kind
key_choice.py       which of several frames is the best key frame
mutual_errors.py    how well each frame serves as key frame of each other frame
key_plan.py         which frames become key frames, planned together
key_schedule.py     how many key frames, and when they are planned
luma_cells.py       pictures reduced to mean luma, to compare them
restraint.py        how strongly a key frame is restored
key_coder.py        key frames -> AV1, and decoded as the receiver sees them
reference_choice.py which of two key frames a frame is rebuilt from
optical_flow.py     movement since the key frame
latent_tokens.py    a reference, and the tokens of the frames that use it
token_refinement.py tokens improved with the receiver's network
token_smoothing.py  tokens smoothed over time
token_choice.py     tokens -> integers, bits against error
stream_encoder.py   pictures -> packets
report.py           EncodeReport
"""

from imfcodec.sender.encode import encode
from imfcodec.sender.report import EncodeReport

__all__ = ["EncodeReport", "encode"]
