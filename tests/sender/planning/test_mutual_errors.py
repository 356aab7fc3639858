"""How well frames serve each other."""

from __future__ import annotations

import numpy as np
import pytest
import torch

from imfcodec.codec.network.in_torch import to_tensor
from imfcodec.codec.optical_flow import SHORT_SIDE, MovementTracker
from imfcodec.sender.planning.mutual_errors import mutual_errors
from imfcodec.sender.reference_choice import unexplained
from tests.codec.test_optical_flow import scene


def test_what_moves_is_explained_and_what_is_new_is_not() -> None:
    blank = np.full((256, 256, 3), 128, np.uint8)
    errors = mutual_errors([scene(30), scene(34), blank])
    assert (np.diag(errors) == 0).all()
    assert max(errors[0, 1], errors[1, 0]) < 0.35 * min(errors[0, 2], errors[2, 0])


def test_rows_are_references(monkeypatch: pytest.MonkeyPatch) -> None:
    """As the tracker and `unexplained` have them, from each reference onwards."""
    monkeypatch.setattr("imfcodec.sender.planning.mutual_errors.FLOW_SIDE", SHORT_SIDE)
    pictures = [scene(left) for left in (20, 24, 60, 100)]
    errors = mutual_errors(pictures)
    for i, reference in enumerate(pictures[:-1]):
        rest = np.stack(pictures[i + 1 :])
        flow = MovementTracker(reference).track(rest)
        expected = unexplained(to_tensor(rest), to_tensor(reference[None]), flow)
        assert errors[i, i + 1 :] == pytest.approx(expected, abs=1e-7)


def test_both_ways() -> None:
    """Backwards in time as forwards, where each is told the other's movement."""
    errors = mutual_errors([scene(40), scene(46)])
    assert np.allclose(errors, mutual_errors([scene(46), scene(40)]).T, atol=1e-7)


@pytest.mark.parametrize("size", [(96, 160), (512, 256)])
def test_any_size(size: tuple[int, int]) -> None:
    picture = np.full((*size, 3), 60, np.uint8)
    assert mutual_errors([picture, picture + 60]) == pytest.approx(
        np.array([[0, 60 / 255], [60 / 255, 0]]), abs=1e-4
    )
    assert mutual_errors([picture]).shape == (1, 1)


def test_heavy_pixels_of_the_frame_that_is_rebuilt_decide() -> None:
    """A change inside the weights of a frame counts for it, and not for another frame."""
    before = np.full((128, 128, 3), 60, np.uint8)
    after = before.copy()
    after[:, 64:] += 60
    weights = torch.ones(2, 1, 128, 128)
    weights[1, ..., 64:] = 3  # of the later frame
    plain, weighed = mutual_errors([before, after]), mutual_errors([before, after], weights=weights)
    assert weighed[0, 1] == pytest.approx(1.5 * plain[0, 1], rel=0.05)
    assert weighed[1, 0] == pytest.approx(plain[1, 0])


def test_the_same_pictures_are_compared_once() -> None:
    pictures = [scene(10), scene(14), scene(18)]
    told: list[float] = []
    errors = mutual_errors(pictures)
    assert mutual_errors([picture.copy() for picture in pictures], told.append) is errors
    assert told == [1.0]
    assert mutual_errors(pictures[::-1]) is not errors
    assert mutual_errors(pictures, weights=torch.ones(3, 1, 256, 256)) is not errors
