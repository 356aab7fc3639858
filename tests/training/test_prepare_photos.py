"""Photographs become clips: heads move, the ground stands still, and nobody is on both sides."""

from __future__ import annotations

from itertools import pairwise
from pathlib import Path

import numpy as np
import pytest

from imfcodec.errors import OptionError
from imfcodec.training.data import Shard
from imfcodec.training.prepare import run as run_module
from imfcodec.training.prepare.faces import Box
from imfcodec.training.prepare.options import PrepareOptions
from imfcodec.training.prepare.photo import Portrait
from imfcodec.training.prepare.records import Dropped
from imfcodec.training.prepare.run import PrepareReport, prepare
from imfcodec.training.prepare.synthetic_motion import (
    AMPLITUDES,
    FRAMES,
    Face,
    displacement,
    moving,
)
from tests.conftest import moving_picture

from .test_prepare import contents, manifest_of, write_video

cv2 = pytest.importorskip("cv2")

SIDE = 128
LANDMARKS = np.array([55, 54, 73, 54, 64, 63, 57, 73, 71, 73], np.float32) / SIDE
STILL = dict.fromkeys(AMPLITUDES, 0.0)


def grid() -> tuple[np.ndarray, np.ndarray]:
    y, x = np.mgrid[:SIDE, :SIDE].astype(np.float32)
    return x, y


def noise(side: int = SIDE, seed: int = 0) -> np.ndarray:
    coarse = np.random.default_rng(seed).integers(20, 230, (16, 16, 3)).astype(np.uint8)
    return cv2.resize(coarse, (side, side), interpolation=cv2.INTER_CUBIC)


def face() -> Face:
    found = Face.of(LANDMARKS, SIDE)
    assert found is not None
    return found


def test_nothing_moves_in_the_photographs_own_pose() -> None:
    assert np.abs(displacement(face(), STILL, *grid())).max() < 1e-5


@pytest.mark.parametrize("name", AMPLITUDES)
def test_each_movement_moves_something_and_no_ground(name: str) -> None:
    field = displacement(face(), {**STILL, name: AMPLITUDES[name]}, *grid())
    assert 0.2 < np.abs(field).max() < SIDE / 4
    assert np.abs(field[:, :8, :8]).max() == np.abs(field[:, :8, -8:]).max() == 0


def test_what_moves_where() -> None:
    """A field says where a pixel comes from: what it shows has moved the other way."""
    row, column = 63, 64  # the nose
    right = displacement(face(), {**STILL, "shift_x": -0.1}, *grid())
    assert right[0, row, column] < -1
    opened = displacement(face(), {**STILL, "jaw": 0.1}, *grid())
    assert opened[1, 78, 64] < -0.5 < opened[1, 70, 64]
    blink = displacement(face(), {**STILL, "lids": 0.1}, *grid())
    assert blink[1, 54, 55] < -1
    assert np.abs(blink[:, 73, 64]).max() < 0.05


def test_landmarks_go_with_the_face() -> None:
    picture = np.full((SIDE, SIDE, 3), 60, np.uint8)
    marks = (LANDMARKS.reshape(5, 2) * SIDE).round().astype(int)
    # What only the head's movement shifts; the others have movements of their own on top.
    cv2.circle(picture, tuple(marks[2].tolist()), 2, (255, 255, 255), -1)
    furthest = 0.0
    for frame, landmarks in moving(picture, LANDMARKS, np.random.default_rng(3)):
        bright = frame[..., 0].astype(float) - 60
        y, x = np.mgrid[:SIDE, :SIDE]
        found = np.array([(bright * x).sum(), (bright * y).sum()]) / bright.sum()
        assert np.abs(found - landmarks.reshape(5, 2)[2] * SIDE).max() < 1.5
        furthest = max(furthest, float(np.abs(found - marks[2]).max()))
    assert furthest > 4


def test_clips_are_smooth_and_differ() -> None:
    clip = [p.astype(int) for p, _ in moving(noise(), LANDMARKS, np.random.default_rng(1))]
    again = [p.astype(int) for p, _ in moving(noise(), LANDMARKS, np.random.default_rng(1))]
    other = [p.astype(int) for p, _ in moving(noise(), LANDMARKS, np.random.default_rng(2))]
    assert len(clip) == FRAMES
    assert all(np.array_equal(a, b) for a, b in zip(clip, again, strict=True))
    assert not all(np.array_equal(a, b) for a, b in zip(clip, other, strict=True))
    beside = np.mean([np.abs(a - b).mean() for a, b in pairwise(clip)])
    apart = np.mean([np.abs(a - b).mean() for a, b in zip(clip, clip[12:], strict=False)])
    assert 0.05 < beside < 0.5 * apart


def test_without_a_face_nothing_moves() -> None:
    with pytest.raises(ValueError, match="without a face"):
        next(moving(noise(), np.full(10, np.nan, np.float32), np.random.default_rng(0)))
    assert Face.of(LANDMARKS * 0.1, SIDE) is None


class Detector:
    """Finds one face in the middle of every picture that is not nearly black."""

    digest = "test"

    def __init__(self, model: Path | None = None) -> None: ...

    def detect(self, picture: np.ndarray) -> list[Box]:
        height, width = picture.shape[:2]
        if picture.mean() < 10:
            return []
        side = min(height, width) * 0.4
        return [Box((width - side) / 2, (height - side) / 2, side, side)]

    def landmarks(self, picture: np.ndarray) -> list[float]:
        return [float(v) for v in LANDMARKS] if self.detect(picture) else [float("nan")] * 10


def test_portraits() -> None:
    detector = Detector()
    good = Portrait(noise(300), detector, SIDE)  # type: ignore[arg-type]
    assert good.shot.dropped is None
    assert good.shot.kept == FRAMES
    assert good.picture is not None
    assert good.picture.shape == (SIDE, SIDE, 3)
    assert good.shot.face_px == pytest.approx(120)
    black = Portrait(np.zeros((300, 300, 3), np.uint8), detector, SIDE)  # type: ignore[arg-type]
    assert black.shot.dropped == Dropped.NO_FACE
    small = Portrait(noise(100), detector, SIDE)  # type: ignore[arg-type]
    assert small.shot.dropped == Dropped.SMALL
    assert small.picture is None


@pytest.fixture
def material(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setattr(run_module, "FaceDetector", Detector)
    write_video(tmp_path / "videos" / "clip.mp4", [moving_picture(n, 256, 256) for n in range(8)])
    photos = tmp_path / "photos"
    (photos / "deep").mkdir(parents=True)
    cv2.imwrite(str(photos / "one.png"), noise(300, 1))
    cv2.imwrite(str(photos / "deep" / "two.jpg"), noise(280, 2))
    cv2.imwrite(str(photos / "black.png"), np.zeros((300, 300, 3), np.uint8))
    (photos / "broken.jpg").write_bytes(b"no picture")
    (photos / "notes.txt").write_text("not looked at")
    return tmp_path


def run(material: Path, out: str, **changes: object) -> PrepareReport:
    values: dict[str, object] = {"size": SIDE, "stride": 1, "min_frames": 4, "val_share": 0.0}
    options = PrepareOptions(**{**values, **changes})  # type: ignore[arg-type]
    return prepare([material / "videos"], material / out, options, photos=[material / "photos"])


def test_photographs_become_clips(material: Path) -> None:
    report = run(material, "out")
    assert report.splits["train"].clips == 3
    assert report.dropped == {str(Dropped.NO_FACE): 1}
    assert list(report.unreadable) == ["broken.jpg"]
    shard = Shard(material / "out" / "train")
    weights = {clip.identity: (clip.count, clip.weight) for clip in shard.clips}
    assert weights["one.png"] == weights["deep/two.jpg"] == (FRAMES, pytest.approx(0.15))
    assert weights["clip.mp4"] == (8, 1.0)
    assert shard.landmarks is not None
    clip = next(clip for clip in shard.clips if clip.identity == "one.png")
    frames = shard.frames[clip.start : clip.start + clip.count].astype(int)
    assert np.abs(frames[0] - frames[-1]).mean() > 1
    assert len(clip.refs) > 4


def test_the_same_whatever_the_order(material: Path) -> None:
    run(material, "out")
    prepare(
        [material / "videos"],
        material / "later",
        PrepareOptions(size=SIDE, stride=1, min_frames=4, val_share=0.0),
    )
    report = run(material, "later")
    assert report.done_before == 1

    def clips(out: str) -> dict[str, bytes]:
        shard = Shard(material / out / "train")
        return {
            c.identity: shard.frames[c.start : c.start + c.count].tobytes() for c in shard.clips
        }

    assert clips("out") == clips("later")
    assert contents(material / "out").keys() == contents(material / "later").keys()


def test_photographs_of_held_out_people_are_left_out(material: Path) -> None:
    labels = material / "labels.csv"
    labels.write_text("clip,identity,split\nclip,a,train\none,b,val\ntwo,c,train\n")
    run(material, "out", labels=labels)
    sources = {s["name"]: s for s in manifest_of(material / "out")["sources"]}
    assert sources["one.png"]["shots"][0]["dropped"] == Dropped.HELD_OUT
    assert not (material / "out" / "val" / "index.json").exists()
    assert {clip.identity for clip in Shard(material / "out" / "train").clips} == {"a", "c"}


def test_photographs_need_faces(material: Path) -> None:
    with pytest.raises(OptionError, match="--no-face"):
        run(material, "out", face=False)
