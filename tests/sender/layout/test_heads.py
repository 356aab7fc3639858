"""Faces joined to heads, and which of them live."""

from __future__ import annotations

import cv2
import numpy as np
import pytest

from imfcodec.sender.layout.heads import LEAST_FACE, HeadTracker
from tests.heads import FakeFinder, Place, Plan, face_at, picture_of

PLACE: Place = (100, 90, 60)


def tracked(plan: Plan, count: int, *, talks: bool = True) -> HeadTracker:
    tracker = HeadTracker(FakeFinder(plan))  # type: ignore[arg-type]
    for n in range(count):
        tracker.look(n, picture_of(n, plan(n), talks=talks))
    return tracker


def test_sightings_that_overlap_are_one_head() -> None:
    tracker = tracked(lambda n: [(250 - 5 * n, 90, 50), (60 + 5 * n, 90, 60)], 8)
    assert len(tracker.heads) == 2
    right, left = tracker.heads
    assert [s.x for s in left.sightings] == pytest.approx([60 + 5 * n for n in range(8)])
    assert [s.x for s in right.sightings] == pytest.approx([250 - 5 * n for n in range(8)])
    assert (left.sightings[-1].y, left.sightings[-1].height) == pytest.approx((90, 60))


def test_a_jump_is_another_head() -> None:
    assert len(tracked(lambda n: [(60 + 60 * n, 90, 60)], 3).heads) == 3


def test_the_best_overlap_counts() -> None:
    """The first face now is nearer to the second one before."""
    tracker = tracked(lambda n: [(100, 90, 60), (118, 90, 60)] if n == 0 else [(116, 90, 60)], 2)
    assert [len(head.sightings) for head in tracker.heads] == [1, 2]


@pytest.mark.parametrize(
    ("pts", "x"), [(-5, 60), (0, 60), (4, 70), (10, 85), (15, 97.5), (99, 105)]
)
def test_places_between_sightings(pts: int, x: float) -> None:
    tracker = HeadTracker(FakeFinder(lambda n: [(60 + 2.5 * n, 90, 60)]))  # type: ignore[arg-type]
    for n in (0, 8, 10, 18):
        tracker.look(n, picture_of(n, []))
    assert tracker.heads[0].at(pts).x == pytest.approx(x)


def pictures(kind: str) -> list[np.ndarray]:
    """Ten pictures with a face that does not move."""
    still, rng = picture_of(0, [PLACE], talks=False), np.random.default_rng(0)
    match kind:
        case "noise":
            changes = [rng.integers(-3, 4, still.shape) for _ in range(10)]
        case "brightness":
            changes = [np.full(still.shape, 4 * n) for n in range(10)]
        case _:
            changes = [np.zeros(still.shape)] * 10
    return [np.clip(still + change, 0, 255).astype(np.uint8) for change in changes]


@pytest.mark.parametrize("kind", ["still", "noise", "brightness"])
def test_a_picture_on_the_wall_never_lives(kind: str) -> None:
    tracker = HeadTracker(FakeFinder(lambda n: [PLACE]))  # type: ignore[arg-type]
    for n, picture in enumerate(pictures(kind)):
        tracker.look(n, picture)
    [head] = tracker.heads
    assert len(head.sightings) == 10
    assert not head.alive


def test_a_face_that_stirs_lives() -> None:
    assert tracked(lambda n: [PLACE], 1).heads[0].alive is False
    assert tracked(lambda n: [PLACE], 3).heads[0].alive is True


@pytest.mark.parametrize("scale", [1, 4])
def test_small_faces_do_not_count(scale: int) -> None:
    """In pixels of the source, though a large picture is searched at a reduced size."""
    sizes = [LEAST_FACE - 2, LEAST_FACE + 2]
    # Of 1280 columns, 640 are searched.
    searched = [size / max(1, scale / 2) for size in sizes]
    finder = FakeFinder(lambda n: [])
    finder.find = lambda picture: [  # type: ignore[method-assign]
        face_at(50, 50, searched[0]),
        face_at(150, 50, searched[1]),
    ]
    tracker = HeadTracker(finder)  # type: ignore[arg-type]
    large = cv2.resize(picture_of(0, []), None, fx=scale, fy=scale)
    tracker.look(0, np.asarray(large))
    [head] = tracker.heads
    assert head.sightings[0].height == pytest.approx(sizes[1])
    assert head.sightings[0].x == pytest.approx(150 * max(1, scale / 2))


@pytest.mark.parametrize("shift", [0, 5, 40])
def test_a_shot_begins_where_no_head_stays(shift: int) -> None:
    """Fast hands look like a cut, but the head is where it was."""
    x, y, height = PLACE
    places = [PLACE] * 3 + [(x + shift, y, height)]
    tracker = HeadTracker(FakeFinder(lambda n: [places[n]]))  # type: ignore[arg-type]
    cuts = [tracker.look(n, picture_of(n, [places[n]]), cut=n == 3) for n in range(4)]
    assert cuts == [False, False, False, shift == 40]
    assert [len(head.sightings) for head in tracker.heads] == ([3, 1] if shift == 40 else [4])
    assert tracker.heads[0].end_pts == (3 if shift == 40 else None)


def test_what_is_old_is_forgotten() -> None:
    tracker = tracked(lambda n: [PLACE, (250, 90, 60)] if n < 4 else [PLACE], 10)
    tracker.forget(3)
    assert [len(head.sightings) for head in tracker.heads] == [7, 1]
    tracker.forget(6)
    [head] = tracker.heads
    assert [s.pts for s in head.sightings] == [6, 7, 8, 9]
    assert tracker.looks == [6, 7, 8, 9]
    tracker.forget(99)
    assert not tracker.heads
