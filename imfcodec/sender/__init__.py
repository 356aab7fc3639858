"""The sender: pictures -> key frames and tokens -> packets.

encode.py           the spine: video in, stream out
source_frame.py     a frame as the sender takes it
keyframe_policy.py  when a frame becomes a key frame, and of which kind
key_choice.py       which of some frames is the best key frame
mutual_errors.py    how well frames serve each other
key_plan.py         which of them become key frames, all weighed at once
key_schedule.py     how many, and when that is planned
luma_cells.py       pictures reduced for comparing them
restraint.py        how far the restoration of a key picture goes
key_coder.py        key pictures -> AV1, and back as the receiver sees them
reference_choice.py which of two key frames a frame is rebuilt from
optical_flow.py     where things went since the key frame
latent_tokens.py    a reference, and the tokens of frames beside it
token_refinement.py tokens improved by what the receiver makes of them
token_smoothing.py  tokens without their tremble
token_choice.py     tokens -> integers, what they cost against what they lose
stream_encoder.py   pictures -> packets
report.py           EncodeReport
"""

from imfcodec.sender.encode import encode
from imfcodec.sender.report import EncodeReport

__all__ = ["EncodeReport", "encode"]
