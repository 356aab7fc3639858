from __future__ import annotations

from pathlib import Path

import av
import numpy as np
import pytest

from imfcodec.errors import OptionError
from imfcodec.media.faces import Face, FaceFinder
from imfcodec.metrics.face_boxes import MAX_PEOPLE, MIN_BOX, FaceTrack, follow_faces

SIDE = 200
LANDMARKS = np.array([[-20.0, -15], [20, -15], [0, 5], [-14, 30], [14, 30]])
"""Around the middle of a face; its unit is from the eyes to the mouth, 45."""


def face(x: float, y: float, size: float = 1.0) -> Face:
    half = 50 * size
    box = (x - half, y - half, x + half, y + half)
    return Face(box, LANDMARKS * size + (x, y))


class Faces(FaceFinder):
    """Finds what it is told, frame by frame."""

    def __init__(self, frames: list[list[Face]]) -> None:
        self.frames = iter(frames)

    def find(self, picture: np.ndarray) -> list[Face]:
        return next(self.frames)


def tracks(frames: list[list[Face]], side: int = SIDE, shown: int = SIDE) -> list[FaceTrack]:
    pictures = np.zeros((len(frames), shown, shown, 3), np.uint8)
    return follow_faces(pictures, Faces(frames), (side, side))


def track(frames: list[list[Face]]) -> FaceTrack | None:
    return next(iter(tracks(frames)), None)


def test_boxes_follow_the_face_and_keep_their_size() -> None:
    found = track([[face(90 + n, 100)] for n in range(5)])
    assert found is not None
    assert found.unit == pytest.approx(45)
    # 2 x 0.8 units around the eyes, 1.4 x 1 around the mouth.
    assert found.eyes(0) == (slice(67, 103), slice(45, 135))
    assert found.eyes(3) == (slice(67, 103), slice(48, 138))
    mouths = [found.mouth(n) for n in range(5)]
    assert {(r.stop - r.start, c.stop - c.start) for r, c in mouths} == {(45, 63)}


def test_the_square_around_a_face_has_the_median_size_and_stays_in_the_picture() -> None:
    found = track([[face(90, 100)], [face(150, 90, 0.9)], [face(20, 100, 1.1)]])
    assert found is not None
    # 1.3 times the height of 100.
    assert found.face(0) == (slice(35, 165), slice(25, 155))
    assert found.face(1) == (slice(25, 155), slice(70, 200))
    assert found.face(2) == (slice(35, 165), slice(0, 130))


def test_a_small_face_has_a_small_square() -> None:
    found = track([[face(100, 100, size=0.2)]])
    assert found is not None
    assert found.face(0) == (slice(87, 113), slice(87, 113))


def test_faces_are_looked_up_in_pictures_of_another_size() -> None:
    # Shown at 1024 pixels, looked for at 512, looked up at 256.
    (found,) = tracks([[face(200, 300)]], side=256, shown=1024)
    assert (found.unit, found.side) == (22.5, 65)
    assert found.landmarks[0, 2].tolist() == [100, 152.5]
    assert found.face(0) == (slice(118, 183), slice(68, 133))


def test_everybody_is_followed_the_largest_first() -> None:
    faces = [face(40 + 40 * n, 100, 0.2 + 0.05 * n) for n in range(5)]
    found = tracks([faces, [], faces[::-1], [faces[0]]])
    assert [round(one.middles[0, 0]) for one in found] == [200, 160, 120, 80][:MAX_PEOPLE]
    small, large = face(30, 30, 0.3), face(120, 120)
    assert len(tracks([[small, large]])) == 1  # a photograph on the wall
    assert len(tracks([[large], [large], [face(30, 30, 0.5), large]])) == 1  # a passer-by


def test_boxes_stay_in_the_picture_and_keep_their_size_there() -> None:
    found = track([[face(10, 190)], [face(100, 100)]])
    assert found is not None
    sizes = {(r.stop - r.start, c.stop - c.start) for r, c in map(found.mouth, range(2))}
    assert sizes == {(45, 63)}
    rows, columns = found.mouth(0)
    assert (rows.stop, columns.start) == (SIDE, 0)


def test_a_small_face_has_boxes_that_networks_can_take() -> None:
    found = track([[face(100, 100, size=0.2)]])
    assert found is not None
    assert {s.stop - s.start for s in (*found.eyes(0), *found.mouth(0))} == {MIN_BOX}


def test_gaps_are_filled_between_and_held_at_the_ends() -> None:
    found = track([[], [face(80, 100)], [], [face(100, 100)], [face(110, 100)], []])
    assert found is not None
    noses = found.landmarks[:, 2, 0]
    assert noses.tolist() == pytest.approx([80, 80, 90, 100, 110, 110])


def test_the_largest_face_is_followed_even_when_another_grows() -> None:
    growing = [face(150, 60, size=0.3 + 0.2 * n) for n in range(5)]
    found = track([[growing[n], face(70 + n, 120)] for n in range(5)])
    assert found is not None
    assert found.landmarks[:, 2, 0].tolist() == pytest.approx([70, 71, 72, 73, 74])


def test_another_face_is_no_substitute_but_a_jump_of_the_only_one_is() -> None:
    two = [face(40, 40, 0.5), face(160, 160, 0.5)]
    found = track([[face(100, 100, 0.5)], two, [face(20, 100, 0.5)]])
    assert found is not None
    assert found.landmarks[:, 2, 0].tolist() == pytest.approx([100, 60, 20])


@pytest.mark.parametrize("frames", [[[]] * 4, [[face(100, 100)], [], []], []])
def test_a_face_that_is_hardly_there_is_none(frames: list[list[Face]]) -> None:
    assert track(frames) is None


def test_a_model_that_is_none(tmp_path: Path) -> None:
    pytest.importorskip("cv2")
    with pytest.raises(OptionError, match="no such file"):
        FaceFinder(tmp_path / "model.onnx")
    (tmp_path / "model.onnx").write_bytes(b"no model")
    with pytest.raises(OptionError, match="cannot load"):
        FaceFinder(tmp_path / "model.onnx")


@pytest.mark.data
def test_a_real_face(data: Path) -> None:
    pytest.importorskip("cv2")
    with av.open(str(data / "val" / "classic_akiyo_0.mp4")) as container:
        frames = (frame.to_ndarray(format="rgb24") for frame in container.decode(video=0))
        pictures = [next(frames) for _ in range(4)]
    (found,) = follow_faces(pictures, FaceFinder(), (256, 256))
    left_eye, right_eye, nose, left_corner, right_corner = found.landmarks[0]
    assert left_eye[0] < nose[0] < right_eye[0]
    assert left_eye[1] < nose[1] < left_corner[1]
    assert left_corner[0] < right_corner[0]
    # The whites and pupils of eyes vary more than the skin of a cheek.
    luma = pictures[0].mean(-1)
    row, column = round(nose[1]), round(left_eye[0])
    cheek = luma[row - 5 : row + 5, column - 5 : column + 5]
    assert luma[found.eyes(0)].std() > 2 * cheek.std()
