"""Restoration strength: which field value goes with which quality of a key frame."""

from __future__ import annotations

from bisect import bisect_right

from imfcodec.codec.pictures.av1 import predicted_crf

LEAVE_BELOW_CRF = (14, 28, 38)
"""Below these CRFs, AV1 keeps so much detail that R is switched off, at half strength, and at
three quarters. benchmarks/LOG.md has the LPIPS of restored pictures that decided this."""


def restoration_field(crf: float, *, predicted: bool) -> int:
    """The field ``restoration`` of a key packet, 0 (R at full strength) to 3 (R switched off).

    Args:
        crf: CRF of independent key frames.
        predicted: Whether this key frame is predicted, and therefore coarser.
    """
    own = predicted_crf(crf) if predicted else crf
    return len(LEAVE_BELOW_CRF) - bisect_right(LEAVE_BELOW_CRF, own)
