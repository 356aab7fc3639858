"""Photographs become clips: heads move, the ground stands still, and nobody is on both sides."""

from __future__ import annotations

from itertools import pairwise
from pathlib import Path

import numpy as np
import pytest
import torch

from imfcodec.errors import UNUSABLE_VIDEO, OptionError
from imfcodec.training import pairs
from imfcodec.training.config import Stage, TrainConfig
from imfcodec.training.pairs import PairSampler
from imfcodec.training.prepare import run as run_module
from imfcodec.training.prepare.faces import Box
from imfcodec.training.prepare.options import PrepareOptions
from imfcodec.training.prepare.photo import Portrait, find_portrait, read_photo
from imfcodec.training.prepare.records import Dropped
from imfcodec.training.prepare.run import PrepareReport, prepare
from imfcodec.training.prepare.synthetic_motion import (
    AMPLITUDES,
    FRAMES,
    Face,
    displacement,
    moving,
    poses,
)
from imfcodec.training.shards import Shard
from tests.conftest import moving_picture

from .test_prepare import OPTIONS, contents, manifest_of, write_video

cv2 = pytest.importorskip("cv2")

SIDE = 128
LANDMARKS = np.array([52, 54, 76, 54, 64, 66, 55, 80, 73, 80], np.float32) / SIDE
"""Of a face as large in the picture as faces are."""

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


def area(field: np.ndarray) -> np.ndarray:
    """What each pixel covers of the photograph; below 0 where the map folds."""
    x, y = grid()
    (xy, xx), (yy, yx) = np.gradient(x + field[0]), np.gradient(y + field[1])
    return xx * yy - xy * yx


@pytest.mark.parametrize("name", AMPLITUDES)
@pytest.mark.parametrize("sign", [-1, 1])
def test_each_movement_is_one_to_one_and_leaves_the_borders_alone(name: str, sign: int) -> None:
    field = displacement(face(), {**STILL, name: sign * AMPLITUDES[name]}, *grid())
    largest = np.abs(field).max()
    assert largest < SIDE / 4
    assert largest > 0.2 or (name == "lids" and sign < 0)
    assert area(field).min() > 0
    border = np.concatenate([field[:, 0], field[:, -1], field[..., 0], field[..., -1]], 1)
    assert np.abs(border).max() == 0


def test_what_moves_where() -> None:
    """A field says where a pixel comes from: what it shows has moved the other way."""
    right = displacement(face(), {**STILL, "shift_x": -0.1}, *grid())
    assert right[0, 66, 64] < -1  # the nose
    opened = displacement(face(), {**STILL, "jaw": 0.1}, *grid())
    assert opened[1, 90, 64] < -0.5
    assert abs(opened[1, 60, 64]) < 0.3
    blink = displacement(face(), {**STILL, "lids": 0.1}, *grid())
    assert blink[1, 54, 52] < -1
    assert np.abs(blink[:, 80, 64]).max() < 0.05


def test_one_pose_is_the_photographs_own() -> None:
    path = poses(np.random.default_rng(0), FRAMES)
    still = [n for n, pose in enumerate(path) if not any(pose.values())]
    assert len(still) == 1
    frames = list(moving(noise(), LANDMARKS, np.random.default_rng(0)))
    assert np.array_equal(frames[still[0]], noise())
    most = max(abs(pose[name]) / AMPLITUDES[name] for pose in path for name in pose)
    assert 0.3 < most <= 1.5


def test_clips_are_smooth_and_differ() -> None:
    clip = [p.astype(int) for p in moving(noise(), LANDMARKS, np.random.default_rng(1))]
    again = [p.astype(int) for p in moving(noise(), LANDMARKS, np.random.default_rng(1))]
    other = [p.astype(int) for p in moving(noise(), LANDMARKS, np.random.default_rng(2))]
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


def portrait(photo: np.ndarray, **changes: int) -> Portrait:
    values = {"size": SIDE, "stride": 1, "min_frames": 4, **changes}
    options = PrepareOptions(**values)  # type: ignore[arg-type]
    return find_portrait(photo, Detector(), options, "p.png")  # type: ignore[arg-type]


def test_portraits() -> None:
    good = portrait(noise(300))
    assert good.shot.dropped is None
    assert good.shot.kept == FRAMES
    assert good.picture is not None
    assert good.picture.shape == (SIDE, SIDE, 3)
    assert good.shot.face_px == pytest.approx(120)
    assert portrait(np.zeros((300, 300, 3), np.uint8)).shot.dropped == Dropped.NO_FACE
    small = portrait(noise(100))
    assert small.shot.dropped == Dropped.SMALL
    assert small.picture is None
    assert portrait(noise(300), max_frames_per_shot=10).shot.kept == 10
    assert portrait(noise(300), min_frames=30).shot.dropped == Dropped.SHORT


def test_a_portrait_out_of_a_wide_photograph() -> None:
    crop = portrait(np.hstack([noise(300, n) for n in range(3)])).shot.crop
    assert crop is not None
    assert abs(crop.x + crop.side / 2 - 450) <= 1
    assert abs(crop.y + crop.side / 2 - 150) <= 1


def test_photographs_of_all_kinds(tmp_path: Path) -> None:
    colours = noise(96)[:64]
    file = tmp_path / "p.png"

    def read(picture: np.ndarray) -> np.ndarray:
        cv2.imwrite(str(file), picture)
        return read_photo(file)

    assert np.array_equal(read(colours[..., ::-1]), colours)
    assert np.array_equal(read(colours[..., 0]), np.repeat(colours[..., :1], 3, 2))
    assert np.abs(read(colours[..., ::-1].astype(np.uint16) * 257).astype(int) - colours).max() <= 1
    half = np.dstack([colours[..., ::-1], np.full((64, 96), 255, np.uint8)])
    half[:32, :, 3] = 0
    assert (read(half)[:32] == 128).all()
    assert np.array_equal(read_photo(file)[32:], colours[32:])


def test_photographs_stand_upright(tmp_path: Path) -> None:
    coded = cv2.imencode(".jpg", noise(96)[:64])[1].tobytes()
    turned = b"Exif\0\0II*\0\x08\0\0\0\x01\0\x12\x01\x03\0\x01\0\0\0\x06\0\0\0\0\0\0\0"
    file = tmp_path / "p.jpg"
    file.write_bytes(coded[:2] + b"\xff\xe1" + (len(turned) + 2).to_bytes(2) + turned + coded[2:])
    assert read_photo(file).shape == (96, 64, 3)


@pytest.mark.parametrize(("height", "width"), [(1, 2000), (4, 3000), (9000, 40)])
def test_photographs_of_no_sensible_size(tmp_path: Path, height: int, width: int) -> None:
    cv2.imwrite(str(tmp_path / "p.png"), np.zeros((height, width, 3), np.uint8))
    with pytest.raises(UNUSABLE_VIDEO):
        read_photo(tmp_path / "p.png")


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
    cv2.imwrite(str(photos / "thin.png"), noise(300)[:2])
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
    assert sorted(report.unreadable) == ["broken.jpg", "thin.png"]
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
    options = PrepareOptions(size=SIDE, stride=1, min_frames=4, val_share=0.0)
    prepare([material / "videos"], material / "later", options)
    report = run(material, "later")
    assert report.done_before == 1

    def clips(out: str) -> dict[str, tuple[bytes, ...]]:
        shard = Shard(material / out / "train")
        assert shard.landmarks is not None
        parts = {}
        for c in shard.clips:
            frames = slice(c.start, c.start + c.count)
            refs = b"".join(shard.refs[r.place].tobytes() for r in c.refs)
            marks = shard.landmarks[frames].tobytes()
            parts[c.identity] = (shard.frames[frames].tobytes(), refs, marks)
        return parts

    assert clips("out") == clips("later")


def test_a_stop_amid_photographs(material: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    run(material, "out")
    real, read = run_module.read_photo, []

    def stopping(path: Path) -> np.ndarray:
        read.append(path)
        if len(read) == 3:
            raise KeyboardInterrupt
        return real(path)

    monkeypatch.setattr(run_module, "read_photo", stopping)
    with pytest.raises(KeyboardInterrupt):
        run(material, "stopped")
    monkeypatch.setattr(run_module, "read_photo", real)
    run(material, "stopped")
    assert contents(material / "stopped") == contents(material / "out")


@pytest.mark.parametrize("photo", ["a", "z"])
def test_photographs_of_somebody_in_a_video(
    material: Path, photo: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """They take nothing away from the video, whichever comes first."""
    monkeypatch.setattr(pairs, "optical_flow", lambda x, *rest: torch.zeros(len(x), 3, 64, 64))
    (material / "photos" / "one.png").rename(material / "photos" / f"{photo}.png")
    labels = material / "labels.csv"
    labels.write_text(f"clip,identity,split\nclip,her,train\n{photo},her,train\n")
    run(material, "out", labels=labels)
    shard = Shard(material / "out" / "train")
    sampler = PairSampler(shard, TrainConfig((Stage(64, 8, 1),)))
    place = sampler.drawer.identities.index("her")
    others = sampler.drawer.weights.sum() - sampler.drawer.weights[place]
    assert sampler.drawer.weights[place] == pytest.approx(others / 0.15)
    video = next(c for c in shard.clips if c.identity == "her" and c.weight == 1)
    picks = [p.current.frame for step in range(100) for p in sampler.plan(step, 8, 64, False).picks]
    hers = [c for c in shard.clips if c.identity == "her"]
    mine = [f for f in picks if any(c.start <= f < c.start + c.count for c in hers)]
    of_video = sum(video.start <= f < video.start + video.count for f in mine)
    assert 0.8 < of_video / len(mine) < 0.93  # 1 of 1.15


def test_one_file_is_one_thing(material: Path) -> None:
    photo = material / "photos" / "one.png"
    with pytest.raises(OptionError, match="as a video and as a photograph"):
        prepare([material / "videos", photo], material / "out", OPTIONS, photos=[photo])


def test_photographs_without_labels_are_for_training(material: Path) -> None:
    run(material, "out", val_share=1.0)
    names = {clip.identity for clip in Shard(material / "out" / "train").clips}
    assert names == {"one.png", "deep/two.jpg"}


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
