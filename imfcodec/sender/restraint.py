"""How far the receiver is to hold back in restoring a key frame."""

from __future__ import annotations

from bisect import bisect_right

from imfcodec.keyframe.av1 import predicted_crf

LEAVE_BELOW_CRF = (14, 28, 38)
"""Below these, AV1 has left so much that R is to leave the picture as it is, to do half of what it
would, and three quarters. Measured in LPIPS of restored pictures, in benchmarks/LOG.md."""


def restraint_of(crf: int, *, predicted: bool) -> int:
    """Restraint of a key frame, 0 (R does all it can) to 3 (nothing).

    Args:
        crf: That independent key frames are coded with.
        predicted: Whether this one is predicted, and so coarser.
    """
    own = predicted_crf(crf) if predicted else crf
    return len(LEAVE_BELOW_CRF) - bisect_right(LEAVE_BELOW_CRF, own)
