from __future__ import annotations

import dataclasses
import os
import pickle  # noqa: TID251 - what sends options to worker processes
from collections.abc import Iterator
from fractions import Fraction
from itertools import islice
from pathlib import Path

import av
import numpy as np
import pytest

from imfcodec.arrays import Picture
from imfcodec.bench import scoring
from imfcodec.bench.clip import MIN_FRAMES, Clip
from imfcodec.bench.results import METRICS
from imfcodec.bench.score_options import ScoreOptions
from imfcodec.bench.scoring import BATCH, Scorer, missing_metrics
from imfcodec.errors import OptionError, UnsupportedVideo
from imfcodec.metrics.face_boxes import FaceTrack
from imfcodec.metrics.fidelity import psnr_rgb_db
from imfcodec.metrics.motion import MotionError
from imfcodec.metrics.vmaf import vmaf_missing
from imfcodec.metrics.xpsnr import xpsnr_missing
from tests.conftest import moving_picture

PLAIN = ScoreOptions(("psnr_rgb_db", "psnr_y_db", "ssim", "motion_error"))


@pytest.fixture(autouse=True)
def offline(monkeypatch: pytest.MonkeyPatch) -> None:
    """No download of networks."""

    def refuse(*args: object, **options: object) -> None:
        raise OSError("no network in tests")

    monkeypatch.setattr("torch.hub.download_url_to_file", refuse)


@pytest.fixture
def clip(small_video: Path) -> Clip:
    return Clip.open(small_video)


def darker(clip: Clip, steps: int = 4) -> Iterator[Picture]:
    """The clip with an error that grows from frame to frame."""
    for n, picture in enumerate(clip.pictures()):
        yield np.maximum(picture, n * steps) - np.uint8(n * steps)


def test_scores_are_those_of_single_frames(clip: Clip) -> None:
    frames, scores = Scorer(PLAIN).score(clip, darker(clip))
    assert frames == clip.frames == 12 > BATCH  # more than one batch
    assert set(scores) == set(PLAIN.wanted)
    pairs = list(zip(clip.pictures(), darker(clip), strict=True))
    values = [min(100.0, psnr_rgb_db(x, y)) for x, y in pairs]
    psnr = scores["psnr_rgb_db"]
    assert psnr.mean == pytest.approx(np.mean(values))
    assert (psnr.worst, psnr.worst_frame) == (pytest.approx(values[-1]), 11)
    meter = MotionError()
    for pair in pairs:
        meter.add(*pair)
    assert scores["motion_error"].mean == meter.value()
    assert scores["motion_error"].worst is None


def test_the_clip_itself_and_its_frozen_first_frame(clip: Clip) -> None:
    scorer = Scorer(PLAIN)
    _, equal = scorer.score(clip, clip.pictures())
    assert equal["psnr_rgb_db"].mean == equal["psnr_y_db"].mean == 100
    assert equal["motion_error"].mean == 0
    first = next(clip.pictures())
    _, frozen = scorer.score(clip, iter([first] * clip.frames))
    assert frozen["motion_error"].mean == 1
    assert frozen["psnr_rgb_db"].mean < 40


def test_a_decoder_that_reuses_its_buffer(clip: Clip) -> None:
    def decoded() -> Iterator[Picture]:
        buffer = np.empty((clip.height, clip.width, 3), np.uint8)
        for picture in clip.pictures():
            buffer[:] = picture
            yield buffer

    _, scores = Scorer(PLAIN).score(clip, decoded())
    assert scores["psnr_rgb_db"].worst == 100


@pytest.mark.parametrize(("count", "message"), [(11, "11 decoded frames"), (13, "more decoded")])
def test_frames_have_to_match(clip: Clip, count: int, message: str) -> None:
    pictures = list(clip.pictures())
    decoded = (pictures * 2)[:count]
    with pytest.raises(UnsupportedVideo, match=message):
        Scorer(PLAIN).score(clip, iter(decoded))


def test_sizes_have_to_match(clip: Clip) -> None:
    decoded = (picture[:48] if n == 5 else picture for n, picture in enumerate(clip.pictures()))
    with pytest.raises(UnsupportedVideo, match="decoded frame 5 is 64x48, the source 64x64"):
        Scorer(PLAIN).score(clip, decoded)


def test_no_more_than_a_batch_is_held(clip: Clip, monkeypatch: pytest.MonkeyPatch) -> None:
    taken = 0

    def decoded() -> Iterator[Picture]:
        nonlocal taken
        for picture in clip.pictures():
            taken += 1
            yield picture

    seen: list[tuple[int, int]] = []

    def measure(base: str) -> object:
        def each(source: np.ndarray, coded: np.ndarray) -> list[float]:
            seen.append((len(source), taken))
            return [0.0] * len(source)

        return each

    monkeypatch.setattr(scoring, "_measure", measure)
    Scorer(ScoreOptions(("ssim",))).score(clip, decoded())
    assert seen == [(8, 8), (4, 12)]


@pytest.mark.parametrize(("side", "left"), [(64, {"ssim", "xpsnr_db"}), (32, {"ssim"}), (8, set())])
def test_small_pictures_have_fewer_metrics(tmp_path: Path, side: int, left: set[str]) -> None:
    with av.open(str(tmp_path / "clip.mkv"), "w") as container:
        stream = container.add_stream("ffv1", rate=25)
        stream.width, stream.height, stream.pix_fmt = side, side, "bgr0"
        for n in range(MIN_FRAMES):
            frame = av.VideoFrame.from_ndarray(moving_picture(n, side, side), "rgb24")
            container.mux(stream.encode(frame))
        container.mux(stream.encode())
    clip = Clip.open(tmp_path / "clip.mkv")
    scorer = Scorer(ScoreOptions(("ms_ssim", "ssim", "xpsnr_db")))
    assert set(scorer.score(clip, clip.pictures())[1]) == left


def test_a_still_source_has_no_motion_error(clip: Clip, monkeypatch: pytest.MonkeyPatch) -> None:
    first = next(clip.pictures())
    monkeypatch.setattr(Clip, "pictures", lambda self: iter([first] * clip.frames))
    assert set(Scorer(PLAIN).score(clip, iter([first] * 12))[1]) == {
        "psnr_rgb_db",
        "psnr_y_db",
        "ssim",
    }


@pytest.mark.skipif(xpsnr_missing() is not None, reason=str(xpsnr_missing()))
@pytest.mark.skipif(vmaf_missing() is not None, reason=str(vmaf_missing()))
def test_metrics_of_whole_videos(clip: Clip) -> None:
    scorer = Scorer(ScoreOptions(("xpsnr_db", "vmaf")))
    _, scores = scorer.score(clip, darker(clip, 1))
    assert scores["xpsnr_db"].worst is None
    assert 0 < scores["xpsnr_db"].mean < 60
    assert scores["vmaf"].worst is not None
    assert 0 <= scores["vmaf"].worst <= scores["vmaf"].mean <= 100
    _, equal = scorer.score(clip, clip.pictures())
    assert equal["xpsnr_db"].mean == 100
    assert equal["vmaf"].mean > scores["vmaf"].mean


def test_names_are_checked() -> None:
    with pytest.raises(OptionError, match="no metric loudness; there are lpips_alex"):
        ScoreOptions(("ssim", "loudness"))


def test_what_is_missing_says_why(tmp_path: Path) -> None:
    faces = ScoreOptions(("eyes_psnr_rgb_db", "identity", "ssim"))
    assert set(missing_metrics(faces)) == {"identity"}
    assert "--recogniser" in missing_metrics(faces)["identity"]
    absent = dataclasses.replace(faces, recogniser=tmp_path / "absent.safetensors")
    assert "absent" in missing_metrics(absent)["identity"]
    with pytest.raises(OptionError, match="identity: no face recogniser"):
        Scorer(faces)


def test_what_nobody_named_may_be_missing(clip: Clip, monkeypatch: pytest.MonkeyPatch) -> None:
    def fail(net: str) -> None:
        raise OptionError("not here")

    monkeypatch.setattr(scoring, "_lpips", fail)
    monkeypatch.setattr(scoring, "vmaf_missing", lambda: "not here either")
    missing = missing_metrics(ScoreOptions())
    assert missing["lpips_alex"] == "not here"
    assert missing["vmaf"] == "not here either"
    _, scores = Scorer(ScoreOptions()).score(clip, clip.pictures())
    assert set(scores) & set(missing) == set()
    assert {"psnr_rgb_db", "ssim", "motion_error"} <= set(scores)


def test_every_metric_of_the_results_is_known_here() -> None:
    assert ScoreOptions().wanted == tuple(metric.name for metric in METRICS)
    assert set(missing_metrics(ScoreOptions())) <= set(ScoreOptions().wanted)


def test_options_can_be_sent_to_another_process(tmp_path: Path) -> None:
    options = ScoreOptions(("ssim",), tmp_path / "a.safetensors")
    assert pickle.loads(pickle.dumps(options)) == options


def test_a_small_face_is_enlarged_for_lpips(clip: Clip, monkeypatch: pytest.MonkeyPatch) -> None:
    shapes: list[tuple[int, ...]] = []

    def lpips(source: np.ndarray, coded: np.ndarray) -> np.ndarray:
        shapes.append(coded.shape)
        return np.abs(source.astype(float) - coded).mean((1, 2, 3))

    centre = np.full((clip.frames, 5, 2), 30.0)
    track = FaceTrack(centre, centre[:, 0], 64, 64, 6.0, 20.0)
    monkeypatch.setattr(scoring, "_finder", object)
    monkeypatch.setattr(scoring, "follow_faces", lambda *_: [track])
    monkeypatch.setattr(scoring, "_lpips", lambda net: lpips)
    names = ("face_lpips_alex", "mouth_lpips_alex")
    _, scores = Scorer(ScoreOptions(names)).score(clip, darker(clip, 1))
    assert shapes[:2] == [(8, 64, 64, 3), (8, 32, 32, 3)]
    assert scores["face_lpips_alex"].mean == pytest.approx(5.5, abs=0.1)


def test_a_reduced_clip(clip: Clip) -> None:
    """It is another clip for the cache, is read at its size, and measured at it."""
    small = Clip.open(clip.path, lines=33)
    assert (small.width, small.height) == (32, 32)
    assert small.sha256 != clip.sha256 == Clip.open(clip.path, lines=64).sha256
    assert next(small.pictures()).shape == (32, 32, 3)
    assert next(small.originals()).shape == (64, 64, 3)
    assert Scorer(PLAIN).score(small, small.pictures())[1]["psnr_rgb_db"].mean == 100


@pytest.mark.data
def test_faces_of_a_whole_picture(data: Path, tmp_path: Path) -> None:
    """The source against itself and against its frozen first frame, at both sizes."""
    if "TORCH_HOME" not in os.environ:
        pytest.skip("set TORCH_HOME to a folder with the LPIPS backbones")
    path = tmp_path / "news.mkv"
    with av.open(str(data / "wide" / "wide_val_news.mp4")) as source, av.open(path, "w") as target:
        stream = target.add_stream_from_template(source.streams.video[0])
        packets = (packet for packet in source.demux(video=0) if packet.dts is not None)
        for packet in islice(packets, 25):
            packet.stream = stream
            target.mux(packet)
    scorer = Scorer(ScoreOptions(("face_lpips_alex", "face_psnr_rgb_db", "face_motion_error")))
    for lines, height in ((None, 720), (256, 256)):
        clip = Clip.open(path, lines=lines)
        assert clip.height == height
        frames, equal = scorer.score(clip, clip.pictures())
        assert frames >= 20
        assert [equal[name].mean for name in scorer._names] == [0, 100, 0]
        frozen = scorer.score(clip, iter([next(clip.pictures())] * frames))[1]
        assert frozen["face_motion_error"].mean == 1
        assert 0.05 < frozen["face_lpips_alex"].mean < 0.5
        assert frozen["face_psnr_rgb_db"].mean < 30


class TestRegions:
    """With a face that is always at the same place, and no detector."""

    NAMES = tuple(
        f"{region}_{metric}"
        for region in ("face", "eyes", "mouth")
        for metric in ("psnr_rgb_db", "motion_error")
    )

    @pytest.fixture
    def scorer(self, clip: Clip, monkeypatch: pytest.MonkeyPatch) -> Scorer:
        landmarks = np.array([[22.0, 16], [42, 16], [32, 30], [24, 48], [40, 48]])
        every = np.repeat(landmarks[None], clip.frames, 0)
        self.tracks = [FaceTrack(every, every[:, 2], 64, 64, 20.0, 60.0)]
        self.searches = 0

        def follow(pictures: object, finder: object, size: object) -> list[FaceTrack]:
            self.searches += 1
            return self.tracks

        monkeypatch.setattr(scoring, "_finder", object)
        monkeypatch.setattr(scoring, "follow_faces", follow)
        return Scorer(ScoreOptions(self.NAMES))

    def test_each_sees_its_own_part(self, clip: Clip, scorer: Scorer) -> None:
        def mouth_frozen() -> Iterator[Picture]:
            first = next(clip.pictures())
            for picture in clip.pictures():
                frame = picture.copy()
                frame[32:] = first[32:]
                yield frame

        _, scores = scorer.score(clip, mouth_frozen())
        assert set(scores) == set(self.NAMES)
        assert scores["eyes_psnr_rgb_db"].mean == 100
        assert scores["mouth_psnr_rgb_db"].mean < 60
        assert scores["eyes_motion_error"].mean == 0
        assert scores["mouth_motion_error"].mean == 1
        assert 0 < scores["face_motion_error"].mean < 1
        assert scores["mouth_psnr_rgb_db"].mean < scores["face_psnr_rgb_db"].mean < 100

    def test_people_count_alike(self, clip: Clip, scorer: Scorer) -> None:
        def left_frozen() -> Iterator[Picture]:
            first = next(clip.pictures())
            for picture in clip.pictures():
                picture[:, :32] = first[:, :32]
                yield picture

        (one,) = self.tracks
        sides = [dataclasses.replace(one, middles=one.middles * 0 + (x, 30)) for x in (16, 48)]
        self.tracks[:] = [dataclasses.replace(track, side=32.0) for track in sides]
        _, scores = scorer.score(clip, left_frozen())
        assert scores["face_motion_error"].mean == 0.5
        assert scores["face_psnr_rgb_db"].mean > 50

    def test_the_face_is_looked_for_once_per_clip(self, clip: Clip, scorer: Scorer) -> None:
        for _ in range(3):
            scorer.score(clip, clip.pictures())
        assert self.searches == 1
        other = dataclasses.replace(clip, sha256="another", rate=Fraction(30))
        scorer.score(other, other.pictures())
        assert self.searches == 2

    def test_a_clip_without_a_face(
        self, clip: Clip, scorer: Scorer, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        monkeypatch.setattr(scoring, "follow_faces", lambda pictures, finder, size: [])
        frames, scores = scorer.score(clip, clip.pictures())
        assert (frames, scores) == (clip.frames, {})
