"""Optical flow tells where things went, how surely, and follows them far."""

from __future__ import annotations

import numpy as np
import pytest
import torch

from imfcodec.codec.optical_flow import Movement, MovementTracker, grey, movement, observed

SIDE = 256


def scene(left: int, width: int = SIDE, height: int = SIDE) -> np.ndarray:
    """A textured square, ``left`` pixels from the left, on a plain ground."""
    texture = np.random.default_rng(1).integers(40, 220, (20, 20, 3)).repeat(3, 0).repeat(3, 1)
    picture = np.full((height, width, 3), 128, np.uint8)
    picture[90:150, left : left + 60] = texture
    return picture


@pytest.mark.parametrize(
    ("size", "flow"), [((256, 256), (64, 64)), ((512, 256), (128, 64)), ((96, 160), (64, 107))]
)
def test_the_short_side_has_64_cells(size: tuple[int, int], flow: tuple[int, int]) -> None:
    picture = np.zeros((*size, 3), np.uint8)
    assert MovementTracker(picture).track(picture[None]).shape == (1, 3, *flow)


def test_equal_pictures_are_at_rest() -> None:
    seen = MovementTracker(scene(30)).track(scene(30)[None])
    assert seen[:, :2].abs().max() == 0
    assert (seen[:, 2] == 1).all()


@pytest.mark.parametrize("width", [256, 384])
def test_flow_points_to_the_reference(width: int) -> None:
    """In units of the picture, whatever its aspect."""
    current, reference = scene(90, width), scene(80, width)
    seen = observed(movement(grey(current), grey(reference)))
    x, y = round(120 / 4), round(120 / 4)  # a cell has four pixels
    assert float(seen[0, y, x]) == pytest.approx(-10 / width, abs=0.5 / width)
    assert float(seen[1, y, x]) == pytest.approx(0, abs=0.5 / SIDE)
    assert seen[2, y, x] == 1


def test_what_is_nowhere_in_the_reference_is_not_trusted() -> None:
    strange = np.random.default_rng(2).integers(0, 256, (64, 64, 3), np.uint8)
    strange = strange.repeat(4, 0).repeat(4, 1)
    reference = np.full((SIDE, SIDE, 3), 128, np.uint8)
    reference[:, :128] = strange[:, 128:]
    current = np.full((SIDE, SIDE, 3), 128, np.uint8)
    current[:, :128] = strange[:, :128]
    trust = observed(movement(grey(current), grey(reference)))[2]
    assert trust[:, :28].mean() < 0.3
    assert trust[:, 40:].mean() > 0.9


def test_each_frame_begins_where_the_last_one_ended() -> None:
    """So that what has gone too far to be found at once is found."""
    near, far = scene(40), scene(130)
    reference = grey(scene(10))
    cell = 30, (130 + 30) // 4
    there = pytest.approx(-120 / SIDE, abs=2 / SIDE)
    first = movement(grey(near), reference)
    assert torch.equal(
        MovementTracker(scene(10)).track(np.stack([near, far]))[1],
        observed(movement(grey(far), reference, first)),
    )
    assert float(observed(movement(grey(far), reference))[0][cell]) != there
    right = np.broadcast_to(np.array([60, 0], np.float32), first.there.shape)
    known = Movement(-right, right)
    assert float(observed(movement(grey(far), reference, known))[0][cell]) == there


def test_batches_do_not_matter() -> None:
    frames = np.stack([scene(10 + 3 * n) for n in range(6)])
    whole = MovementTracker(frames[0]).track(frames)
    parts = MovementTracker(frames[0])
    assert torch.equal(whole, torch.cat([parts.track(frames[:2]), parts.track(frames[2:])]))
