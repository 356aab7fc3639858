"""One point: coded, decoded from the file, scored."""

from __future__ import annotations

import dataclasses
import pickle  # noqa: TID251 - what multiprocessing does
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import numpy as np
import pytest

from imfcodec.arrays import Picture
from imfcodec.bench.clip import Clip
from imfcodec.bench.codecs.codec import Encoded
from imfcodec.bench.job import Job, measure
from imfcodec.bench.score_options import ScoreOptions
from imfcodec.metrics.fidelity import psnr_rgb_db
from tests.bench.fakes import StepCodec

MakeJob = Callable[..., Job]


def test_a_point(make_job: MakeJob) -> None:
    job = make_job("step8")
    outcome = measure(job)
    point, coded = outcome.point, outcome.coded
    assert point.error is None
    assert coded is not None
    assert (point.clip, point.codec, point.setting) == ("one", "steps", "step8")
    assert point.frames == job.clip.frames == 10
    # What counts is what the codec says, which need not be the whole file.
    assert point.size_bytes == coded.size_bytes == len(coded.data) - 1
    assert point.rate_kbps == pytest.approx(8 * point.size_bytes / 0.4 / 1000)
    assert set(point.scores) == {"psnr_rgb_db"}
    decoded = [np.minimum(p // 8 * 8.0 + 4, 255).astype(np.uint8) for p in job.clip.pictures()]
    expected = [psnr_rgb_db(x, y) for x, y in zip(job.clip.pictures(), decoded, strict=True)]
    assert point.scores["psnr_rgb_db"].mean == pytest.approx(np.mean(expected))


def test_a_coded_clip_is_not_coded_again(make_job: MakeJob, steps: StepCodec) -> None:
    job = make_job("step8")
    first = measure(job)
    again = measure(dataclasses.replace(job, coded=first.coded))
    assert steps.noted("encode") == ["one step8"]
    assert len(steps.noted("decode")) == 2
    assert dataclasses.replace(again.point, decode_s=0) == dataclasses.replace(
        first.point, decode_s=0
    )


@pytest.mark.parametrize(
    ("setting", "error"),
    [
        ("refuses", "KeyframeCodecError: it refuses this clip"),
        ("full", "OSError: [Errno 28] No space left on device"),
        ("libav", "InvalidDataError: [Errno 1] Invalid data"),
    ],
)
def test_what_a_codec_raises_makes_a_failed_point(
    make_job: MakeJob, setting: str, error: str
) -> None:
    outcome = measure(make_job(setting))
    assert outcome.point.error == error
    assert outcome.coded is None
    assert (outcome.point.clip, outcome.point.setting) == ("one", setting)


def test_a_lost_frame_makes_a_failed_point(make_job: MakeJob) -> None:
    assert "9" in (measure(make_job("short")).point.error or "")


def test_a_bug_stays_a_bug(make_job: MakeJob) -> None:
    with pytest.raises(ZeroDivisionError):
        measure(make_job("bug"))


@dataclasses.dataclass(frozen=True)
class SlowDecoder(StepCodec):
    def decode(self, encoded: Encoded, clip: Clip) -> Iterator[Picture]:
        for picture in super().decode(encoded, clip):
            time.sleep(0.01)
            yield picture


def test_the_clock_of_decoding_stands_still_while_scoring(
    make_job: MakeJob, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    from imfcodec.bench import scoring

    class SlowScorer(scoring.Scorer):
        def score(self, clip: Clip, decoded: Iterator[Picture]) -> tuple[int, dict[str, object]]:
            def delayed() -> Iterator[Picture]:
                for picture in decoded:
                    time.sleep(0.05)
                    yield picture

            return super().score(clip, delayed())

    monkeypatch.setattr(scoring, "Scorer", SlowScorer)
    # Scorers are kept by their options: these are used by no other test.
    options = ScoreOptions(metrics=("ssim", "psnr_rgb_db"))
    job = make_job("step8", scoring=options, codec=SlowDecoder(tmp_path))
    begun = time.perf_counter()
    point = measure(job).point
    spent_s = time.perf_counter() - begun
    scoring_s = 0.05 * point.frames
    assert 0.1 <= point.decode_s < spent_s - scoring_s


def test_a_job_travels(make_job: MakeJob) -> None:
    job = make_job("step8")
    assert pickle.loads(pickle.dumps(job)) == job
