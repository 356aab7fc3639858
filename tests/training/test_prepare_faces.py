"""Faces: tracks, crops, and the real detector on real clips."""

from __future__ import annotations

import json
from pathlib import Path

import av
import numpy as np
import pytest

from imfcodec.training.prepare import plan as plan_module
from imfcodec.training.prepare.faces import Box, FaceDetector, FaceTracks
from imfcodec.training.prepare.options import PrepareOptions
from imfcodec.training.prepare.plan import FACE_SHARES, face_crop, face_share, plan_shot
from imfcodec.training.prepare.records import Crop, Dropped, ShotRecord
from imfcodec.training.prepare.run import prepare
from imfcodec.training.prepare.scan import CutDetector, Shot
from imfcodec.training.shards import Shard

SIZE = (640, 360)
OPTIONS = PrepareOptions(size=64, stride=1, min_frames=4)


def face(x: float, y: float, height: float = 80) -> Box:
    """A box around a centre."""
    width = height * 0.8
    return Box(x - width / 2, y - height / 2, width, height)


def tracked(frames: list[list[Box]], every: int = 1) -> FaceTracks:
    tracks = FaceTracks()
    for number, boxes in enumerate(frames):
        tracks.add(number * every, boxes)
    return tracks


def shot_of(frames: list[list[Box]]) -> Shot:
    """A lively shot with these faces, one frame each."""
    random = np.random.default_rng(0)
    shot: Shot | None = None
    for _ in frames:
        cells = random.uniform(0, 255, (45, 80)).astype(np.float32)
        shot = shot or Shot(0, cells, tracked(frames))
        shot.add(cells)
    assert shot is not None
    return shot


def planned(shot: Shot, size: tuple[int, int] = SIZE, name: str = "clip.mp4") -> ShotRecord:
    return plan_shot(shot, size, SIZE, OPTIONS, name)


@pytest.fixture
def half(monkeypatch: pytest.MonkeyPatch) -> None:
    """Every face is half as high as its crop."""
    monkeypatch.setattr(plan_module, "FACE_SHARES", (0.5, 0.5))


def test_overlap() -> None:
    box = Box(10, 10, 20, 20)
    assert box.overlap(box) == 1
    assert box.overlap(Box(30, 10, 20, 20)) == 0
    assert box.overlap(Box(20, 10, 20, 20)) == pytest.approx(1 / 3)


def test_the_largest_of_the_steady_faces_wins() -> None:
    # A bystander, the speaker, and a large face that only passes by.
    frames = [[face(500, 100, 40), face(200 + n, 180)] for n in range(12)]
    for n in (4, 5, 6):
        frames[n].append(face(420, 200, 200))
    track = tracked(frames).largest_steady()
    assert track is not None
    assert [box.x for _, box in track] == [face(200 + n, 180).x for n in range(12)]


def test_a_short_absence_is_bridged_and_a_long_one_is_not() -> None:
    there = [face(200, 180)]
    bridged = tracked([there, there, [], [], there, there, there]).largest_steady()
    assert bridged is not None
    assert len(bridged) == 5
    parted = tracked([there] * 5 + [[]] * 3 + [there] * 9).largest_steady()
    assert parted is not None
    assert len(parted) == 9


def test_flicker_is_not_steady() -> None:
    assert tracked([[face(200, 180)], [], []] * 6).largest_steady() is None


def test_faces_of_all_sizes() -> None:
    """The name of the shot decides, so that a second run gives the same data."""
    names = [f"{n}.mp4#0" for n in range(200)]
    shares = [face_share(name, 200, OPTIONS) for name in names]
    assert shares == [face_share(name, 200, OPTIONS) for name in names]
    assert FACE_SHARES[0] <= min(shares) < 0.37
    assert 0.67 < max(shares) <= FACE_SHARES[1]
    assert np.median(shares) == pytest.approx(0.5, abs=0.04)
    # A crop of fewer than 128 pixels would be enlarged more than twice.
    small = [face_share(name, 64, PrepareOptions(size=256)) for name in names]
    assert min(small) < 0.37
    assert max(small) == 0.5


def test_the_crop_follows_the_share_of_its_shot() -> None:
    def side(name: str, start: int) -> int:
        shot = shot_of([[face(300, 180)]] * 10)
        shot.start = start
        crop = planned(shot, name=name).crop
        assert crop is not None
        assert crop.side == round(80 / face_share(f"{name}#{start}", 80, OPTIONS))
        return crop.side

    assert len({side("a.mp4", 0), side("a.mp4", 50), side("b.mp4", 0)}) == 3


@pytest.mark.usefixtures("half")
def test_the_crop_stands_around_the_face() -> None:
    plan = planned(shot_of([[face(300 + n % 3, 180)] for n in range(10)]))
    assert plan.dropped is None
    assert plan.crop == Crop(221, 100, 160)
    assert (plan.first, plan.kept) == (0, 10)


@pytest.mark.usefixtures("half")
def test_faces_are_scaled_back_to_the_source() -> None:
    large = SIZE[0] * 3, SIZE[1] * 3
    plan = planned(shot_of([[face(300, 180)]] * 10), large)
    assert plan.crop == Crop(660, 300, 480)
    assert plan.face_px == 240


@pytest.mark.parametrize(("x", "y"), [(10, 10), (630, 350), (320, 0), (0, 180)])
def test_the_crop_stays_inside(x: float, y: float) -> None:
    crop = face_crop([face(x, y)], 80, 0.5, SIZE)
    assert crop is not None
    assert crop.side == 160
    assert 0 <= crop.x <= SIZE[0] - crop.side
    assert 0 <= crop.y <= SIZE[1] - crop.side


def test_a_close_up_gets_the_whole_height() -> None:
    assert face_crop([face(320, 180, 300)], 300, 0.5, SIZE) == Crop(140, 0, 360)


def test_frames_without_the_face_are_left_out() -> None:
    frames = [[] if n < 4 or n > 20 else [face(300, 180)] for n in range(24)]
    plan = planned(shot_of(frames))
    assert (plan.first, plan.kept) == (4, 17)


@pytest.mark.parametrize(
    ("frames", "reason"),
    [
        ([[]] * 10, Dropped.NO_FACE),
        ([[face(300, 180)], [], []] * 4, Dropped.UNSTEADY),
        ([[face(300, 180, 40)]] * 10, Dropped.SMALL),
        ([[face(100 + 20 * n, 180)] for n in range(22)], Dropped.MOVING),
        ([[face(300, 180)]] * 3, Dropped.SHORT),
    ],
    ids=lambda value: value.name if isinstance(value, Dropped) else "",
)
def test_shots_without_a_usable_face(frames: list[list[Box]], reason: Dropped) -> None:
    assert planned(shot_of(frames)).dropped == reason


def test_a_frozen_face_in_a_moving_picture() -> None:
    shot = shot_of([[face(300, 180)]] * 10)
    shot.low[:, 20:60] = shot.high[:, 20:60] = 100
    assert planned(shot).dropped == Dropped.FROZEN


def test_motion_is_no_cut() -> None:
    random = np.random.default_rng(0)
    cuts = CutDetector()
    scenes = random.uniform(0, 255, (2, 20, 20)).astype(np.float32)
    found = []
    for n in range(40):
        moved = np.roll(scenes[n // 20], n % 20, 0) * 0.3 + 80 * (n // 20)
        found.append(cuts.is_cut(moved))
    # Before the first changes are known, motion looks like a cut.
    assert [n for n, cut in enumerate(found) if cut and n > 2] == [20]


def framed(clip: Path, target: Path, frames: int, place: tuple[int, int, int]) -> None:
    """The clip as a part, (x, y, side), of a larger picture with other things in it."""
    x, y, side = place
    blocks = np.random.default_rng(0).integers(60, 180, (9, 16, 3))
    ground = np.kron(blocks, np.ones((80, 80, 1))).astype(np.uint8)
    options = {"preset": "ultrafast", "crf": "20"}
    with av.open(str(clip)) as source, av.open(str(target), "w") as container:
        stream = container.add_stream("libx264", rate=25, options=options)
        stream.width, stream.height, stream.pix_fmt = 1280, 720, "yuv420p"
        for _, frame in zip(range(frames), source.decode(video=0), strict=False):
            picture = frame.reformat(side, side, format="rgb24").to_ndarray()
            ground[y : y + side, x : x + side] = picture
            container.mux(stream.encode(av.VideoFrame.from_ndarray(ground, format="rgb24")))
        container.mux(stream.encode(None))


@pytest.mark.data
def test_real_faces_have_their_share_of_their_crops(tmp_path: Path, data: Path) -> None:
    videos, out = tmp_path / "videos", tmp_path / "out"
    videos.mkdir()
    places = {
        "21768e74fa": (100, 60, 400),
        "8bb984b43e": (600, 200, 400),
        "913d471f3c": (40, 0, 360),
    }
    for name, place in places.items():
        framed(data / "val" / f"{name}.mp4", videos / f"{name}.mp4", 30, place)
    options = PrepareOptions(stride=2, val_share=0.0)
    report = prepare([videos], out, options)
    assert report.splits["train"].clips == 3
    assert report.dropped == {}
    faces = FaceDetector()
    shard = Shard(out / "train")
    manifest = json.loads((out / "manifest.json").read_text())
    shots = {source["identity"]: source["shots"][0] for source in manifest["sources"]}
    for clip in shard.clips:
        shot = shots[clip.identity]
        share = shot["face_px"] / shot["crop"]["side"]
        assert 0.34 <= share <= 0.71
        middle = shard.frames[clip.start + clip.count // 2]
        found = max(faces.detect(np.asarray(middle)), key=lambda box: box.height)
        assert found.height / shard.size == pytest.approx(share, abs=0.1)
        assert abs(found.x + found.width / 2 - shard.size / 2) < shard.size / 5
