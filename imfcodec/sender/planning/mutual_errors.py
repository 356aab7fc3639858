"""Error of each frame rebuilt from each other frame by optical flow."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from hashlib import blake2b
from typing import Final

import numpy as np
import torch

from imfcodec.arrays import Picture
from imfcodec.codec.network.in_torch import to_tensor
from imfcodec.codec.optical_flow import Movement, grey, movement, observed
from imfcodec.codec.threads import shared_out
from imfcodec.model.layers import reduce_short_side
from imfcodec.sender.reference_choice import MULTIPLE, SIDE, Errors, unexplained

FLOW_SIDE: Final = 96
"""Short side in pixels at which flow is searched: plans hardly differ from those at 128 pixels, and
take two thirds of the time."""

REMEMBERED: Final = 256
"""So many results are kept. To meet a rate, the same pictures come again and again."""

_KNOWN: dict[bytes, Errors] = {}


@torch.inference_mode()
def mutual_errors(
    pictures: Sequence[Picture],
    advance: Callable[[float], None] = lambda share: None,
    weights: torch.Tensor | None = None,
) -> Errors:
    """`unexplained` between source frames in order; no key frame has been coded yet.

    Each flow search starts from the flow of the previous frame, so that it still finds a head
    that has moved far.

    Args:
        pictures: N pictures, RGB uint8 [H, W, 3].
        advance: Called with each further share of the work, 0 to 1.
        weights: Of each pixel's errors, float32 [N, 1, H, W]; None weighs all alike.

    Returns:
        float64 [N, N]: the error of frame j rebuilt from frame i at [i, j].
    """
    known = _digest(pictures, weights)
    if known in _KNOWN:
        advance(1.0)
        return _KNOWN[known]
    luma = [grey(picture, FLOW_SIDE) for picture in pictures]
    colour = torch.cat([reduce_short_side(to_tensor(p[None]), SIDE, MULTIPLE) for p in pictures])
    if weights is not None:
        weights = reduce_short_side(weights, SIDE, MULTIPLE)
    errors = np.zeros((len(pictures), len(pictures)))
    pairs = len(pictures) * (len(pictures) - 1) / 2

    @torch.inference_mode()
    def compare(i: int) -> tuple[Errors, Errors]:
        """Errors of the later frames rebuilt from frame i, and of frame i rebuilt from them."""
        moved: Movement | None = None
        there, back = [], []
        for later in luma[i + 1 :]:
            moved = movement(later, luma[i], moved)
            there.append(observed(moved))
            back.append(observed(Movement(moved.back, moved.there)))
        earlier, later_ones = colour[i : i + 1], colour[i + 1 :]
        its, theirs = (None, None) if weights is None else (weights[i : i + 1], weights[i + 1 :])
        return (
            unexplained(later_ones, earlier, torch.stack(there), theirs),
            unexplained(earlier, later_ones, torch.stack(back), its),
        )

    for i, (forth, back) in enumerate(shared_out(compare, range(len(pictures) - 1))):
        errors[i, i + 1 :], errors[i + 1 :, i] = forth, back
        advance((len(pictures) - 1 - i) / pairs)
    errors.setflags(write=False)
    if len(_KNOWN) >= REMEMBERED:
        del _KNOWN[next(iter(_KNOWN))]
    _KNOWN[known] = errors
    return errors


def _digest(pictures: Sequence[Picture], weights: torch.Tensor | None) -> bytes:
    """What the errors depend on, in a few bytes."""
    digest = blake2b()
    for array in [*pictures, *([] if weights is None else [weights.numpy()])]:
        digest.update(repr(array.shape).encode())
        digest.update(array.tobytes())
    return digest.digest()
