"""Which key frame a frame between two is rebuilt from."""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np
import pytest
import torch

from imfcodec.sender.reference_choice import COMPARED, change_over, divided, unexplained


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


FRAMES = 60
GROWING = np.sqrt(np.arange(1.0, FRAMES + 1))
BLINK = np.isin(np.arange(FRAMES), (9, 10, 11, 12)) * 10.0


@pytest.mark.parametrize(
    ("earlier", "later"),
    [
        (GROWING, GROWING[::-1]),
        (GROWING, 2 * GROWING[::-1]),
        (GROWING + BLINK, GROWING[::-1] + BLINK),
        (np.where(np.arange(FRAMES) < 44, 1, 9), np.where(np.arange(FRAMES) < 44, 9, 1)),
        (np.ones(FRAMES), GROWING[::-1]),
        (GROWING, np.zeros(FRAMES)),
        (np.ones(FRAMES), np.ones(FRAMES)),
    ],
)
def test_few_frames_are_looked_at_from_both_sides(earlier: np.ndarray, later: np.ndarray) -> None:
    looked_at = []

    def seen(side: str, order: range, errors: np.ndarray) -> Iterator[tuple[int, float]]:
        for n in order:
            looked_at.append((side, n))
            yield n, float(errors[n])

    for_earlier, for_later = divided(
        FRAMES, seen("there", range(FRAMES), earlier), seen("back", range(FRAMES)[::-1], later)
    )
    assert for_earlier + for_later == [*range(FRAMES)]
    found = earlier[for_earlier].sum() + later[for_later].sum()
    best = change_over(earlier, later)
    assert found <= 1.02 * (earlier[:best].sum() + later[best:].sum())
    assert len(looked_at) == FRAMES + COMPARED


@pytest.mark.parametrize("count", [1, 2, COMPARED, COMPARED + 1])
def test_of_few_frames_all_are(count: int) -> None:
    rng = np.random.default_rng(count)
    earlier, later = rng.random(count), rng.random(count)
    sides = divided(count, iter(enumerate(earlier)), iter([*enumerate(later)][::-1]))
    if count <= COMPARED:
        assert len(sides[0]) == change_over(earlier, later)
    assert sides[0] + sides[1] == [*range(count)]


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
