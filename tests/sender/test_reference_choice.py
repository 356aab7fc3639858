"""Which key frame a frame between two is rebuilt from."""

from __future__ import annotations

import numpy as np
import pytest
import torch

from imfcodec.sender.reference_choice import change_over, unexplained


def test_the_sum_of_errors_is_the_least() -> None:
    rng = np.random.default_rng(4)
    for _ in range(20):
        earlier, later = rng.random(9), rng.random(9)
        sums = [earlier[:n].sum() + later[n:].sum() for n in range(10)]
        assert change_over(earlier, later) == int(np.argmin(sums))


@pytest.mark.parametrize(
    ("earlier", "later", "count"),
    [
        ([1, 2, 3, 4], [4, 3, 2, 1], 2),
        ([1, 1, 1], [2, 2, 2], 3),
        ([2, 2, 2], [1, 1, 1], 0),
        ([1, 1, 1], [1, 1, 1], 3),
    ],
)
def test_change_over(earlier: list[float], later: list[float], count: int) -> None:
    assert change_over(np.array(earlier, float), np.array(later, float)) == count


def test_what_flow_explains_is_no_error() -> None:
    """A picture that has moved by a sixteenth of itself, with and without that being known."""
    torch.manual_seed(0)
    wide = torch.nn.functional.interpolate(torch.rand(1, 3, 8, 10), (128, 160), mode="bicubic")
    reference, moved = wide[..., :128], wide[..., 8:136]
    flow = torch.zeros(1, 3, 64, 64)
    still = unexplained(moved, reference, flow)
    flow[:, 0] = 8 / 128
    known = unexplained(moved, reference, flow)
    assert known.shape == (1,)
    assert known[0] < 0.3 * still[0]
    assert unexplained(reference, reference, torch.zeros(1, 3, 64, 64))[0] < 1e-6
