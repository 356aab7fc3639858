"""One point of a curve: a codec at a setting on a clip, coded, decoded and scored."""

from __future__ import annotations

import tempfile
import time
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path
from typing import TYPE_CHECKING

from av.error import FFmpegError

from imfcodec.bench.clip import Clip, timed
from imfcodec.bench.codecs.codec import Codec, Encoded
from imfcodec.bench.results import Point
from imfcodec.bitstream.rate import rate_kbps
from imfcodec.codec.stages import StageTimes
from imfcodec.errors import ImfcodecError, NoFrames

if TYPE_CHECKING:
    from imfcodec.bench.score_options import ScoreOptions
    from imfcodec.bench.scoring import Scorer


@dataclass(frozen=True)
class Coded:
    """A coded clip as bytes, to be cached and sent between machines.

    Attributes:
        name, data: Of the file.
        size_bytes, key_frames: As `Encoded` has them.
        encode_s: Seconds that coding took.
    """

    name: str
    data: bytes
    size_bytes: int
    key_frames: int | None
    encode_s: float

    def unpack(self, folder: Path) -> Encoded:
        """Write the file into a folder, from which a codec decodes it."""
        path = folder / self.name
        path.write_bytes(self.data)
        return Encoded(path, self.size_bytes, self.key_frames)


@dataclass(frozen=True)
class Job:
    """A point to measure; picklable, so that any process may do it.

    Attributes:
        clip, codec, setting: Which point.
        version: Of the codec, found out once: it may have to read its weights for it.
        scoring: How it is scored.
        coded: The coded clip where there is one already; else the clip is coded first.
    """

    clip: Clip
    codec: Codec
    setting: str
    version: str
    scoring: ScoreOptions
    coded: Coded | None = None

    def failed(self, reason: str) -> Outcome:
        """The outcome that only says why there is none."""
        return Outcome(failed_point(self.clip.name, self.codec, self.setting, reason))


@dataclass(frozen=True)
class Outcome:
    """Outcome of a job; ``coded`` is None if the point failed."""

    point: Point
    coded: Coded | None = None


def failed_point(clip: str, codec: Codec, setting: str, reason: str) -> Point:
    """A failed point, which keeps its place in the results."""
    return Point(clip, codec.name, setting, error=" ".join(reason.split()))


def measure(job: Job) -> Outcome:
    """Code a clip, decode the written file, and score every frame.

    An error of a codec, a file or libav gives a failed point; any other exception is a bug and
    passes through.
    """
    try:
        with tempfile.TemporaryDirectory(prefix="imfcodec-bench-") as folder:
            return _measure(job, Path(folder))
    except (ImfcodecError, FFmpegError, OSError, MemoryError) as error:
        return job.failed(f"{type(error).__name__}: {error}")


def _measure(job: Job, folder: Path) -> Outcome:
    clip, codec = job.clip, job.codec
    coded = job.coded or _code(job, folder)
    times = StageTimes()
    decoded = timed(codec.decode(coded.unpack(folder), clip), times, "decode")
    frames, scores = _scorer(job.scoring).score(clip, decoded)
    if frames != clip.frames:
        raise NoFrames(f"{frames} of {clip.frames} frames came back")
    point = Point(
        clip=clip.name,
        codec=codec.name,
        setting=job.setting,
        size_bytes=coded.size_bytes,
        rate_kbps=rate_kbps(coded.size_bytes, 0, clip.duration_s),
        frames=frames,
        encode_s=coded.encode_s,
        decode_s=times.milliseconds["decode"] / 1000,
        scores=scores,
    )
    return Outcome(point, coded)


def code(job: Job) -> Coded:
    """Only code a clip.

    Raises:
        ImfcodecError, OSError, FFmpegError: The codec fails.
    """
    with tempfile.TemporaryDirectory(prefix="imfcodec-bench-") as folder:
        return _code(job, Path(folder))


def _code(job: Job, folder: Path) -> Coded:
    begun = time.perf_counter()
    encoded = job.codec.encode(job.clip, job.setting, folder)
    encode_s = time.perf_counter() - begun
    data = encoded.path.read_bytes()
    return Coded(encoded.path.name, data, encoded.size_bytes, encoded.key_frames, encode_s)


@lru_cache(maxsize=2)
def _scorer(options: ScoreOptions) -> Scorer:
    # One for all jobs of a process: it holds networks, and what it found out about a clip.
    from imfcodec.bench.scoring import Scorer

    return Scorer(options)
