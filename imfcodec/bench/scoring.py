"""All metrics of one decoded clip in one pass over its frames.

    clip.pictures() ─┐                  ┌─ PSNR, SSIM, LPIPS, identity ─┐
                     ├─ pairs ─ batches ┼─ VMAF, a process of its own   ├─ scores
    decoded ─────────┘                  └─ motion error, XPSNR          ┘

Memory holds one batch of frames and a few numbers per frame. The faces of a clip are found at its
display size before its first score and kept for the next scores. A score of faces, eyes, mouths or
identity is the mean over people, at most four.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from contextlib import ExitStack
from functools import cache, partial
from importlib.util import find_spec
from itertools import islice
from typing import Final

import numpy as np
import numpy.typing as npt

from imfcodec.arrays import Picture
from imfcodec.bench.clip import Clip
from imfcodec.bench.fingerprint import needs_faces
from imfcodec.bench.meters import (
    Batch,
    Measure,
    Meter,
    Pictures,
    Place,
    embed_faces,
    everywhere,
    frame_meter,
    identity_meter,
    motion_meter,
    vmaf_meter,
    xpsnr_meter,
)
from imfcodec.bench.results import METRICS, Score
from imfcodec.bench.score_options import ScoreOptions
from imfcodec.errors import OptionError, UnsupportedVideo
from imfcodec.media import resize
from imfcodec.media.faces import FaceFinder
from imfcodec.metrics.face_boxes import FaceTrack, follow_faces
from imfcodec.metrics.fidelity import capped_db, psnr_rgb_db, psnr_y_db
from imfcodec.metrics.identity import Recogniser
from imfcodec.metrics.perceptual import Lpips
from imfcodec.metrics.structure import MS_SSIM_SIDE, WINDOW, ms_ssim, ssim
from imfcodec.metrics.vmaf import MIN_SIDE, Vmaf, vmaf_missing
from imfcodec.metrics.xpsnr import MIN_PIXELS, Xpsnr, xpsnr_missing

BATCH: Final = 8
"""Pairs of frames that are held at a time."""

_HIGHER: Final = {metric.name: metric.higher_is_better for metric in METRICS}

_LEAST_SIDE: Final = {
    "ssim": WINDOW,
    "ms_ssim": MS_SSIM_SIDE,
    "lpips_alex": 32,
    "lpips_squeeze": 32,
    "vmaf": MIN_SIDE,
}
"""Pixels on the short side below which a metric is not defined."""

_FACE_LPIPS_SIDE: Final = 64
"""Pixels to which the short side of a smaller face is enlarged for LPIPS."""

_REGIONS: Final = {"face": FaceTrack.face, "eyes": FaceTrack.eyes, "mouth": FaceTrack.mouth}

_PACKAGES: Final = {"ssim": "skimage", "ms_ssim": "pytorch_msssim"}
"""Modules that a metric needs."""

_ONE_BY_ONE: Final[dict[str, Callable[[Picture, Picture], float]]] = {
    "psnr_rgb_db": lambda source, coded: capped_db(psnr_rgb_db(source, coded)),
    "psnr_y_db": lambda source, coded: capped_db(psnr_y_db(source, coded)),
    "ssim": ssim,
    "ms_ssim": ms_ssim,
}


def missing_metrics(options: ScoreOptions) -> dict[str, str]:
    """The requested metrics that cannot be measured here, with the reason.

    This loads the networks, which may download an LPIPS backbone.
    """
    reasons = {name: _why_missing(name, options) for name in options.wanted}
    return {name: reason for name, reason in reasons.items() if reason}


class Scorer:
    """Measures decoded clips; keeps networks and the faces of clips. One per process.

    Attributes:
        missing: What `missing_metrics` says of the options.
    """

    def __init__(self, options: ScoreOptions) -> None:
        """Load what the metrics need.

        Raises:
            OptionError: A metric that is asked for by name cannot be measured.
        """
        self.missing = missing_metrics(options)
        if options.metrics is not None and self.missing:
            reasons = "; ".join(f"{name}: {reason}" for name, reason in self.missing.items())
            raise OptionError(f"not every metric can be measured: {reasons}")
        self._options = options
        self._names = tuple(name for name in options.wanted if name not in self.missing)
        self._tracks: dict[str, list[FaceTrack]] = {}
        self._embeddings: dict[str, npt.NDArray[np.float32]] = {}

    def score(self, clip: Clip, decoded: Iterator[Picture]) -> tuple[int, dict[str, Score]]:
        """Compare a decoded clip with its source, frame by frame.

        A metric that is not defined for the clip is left out: if the pictures are too small for it,
        face, eyes, mouth and identity without a face, and motion error if nothing moves. A frame
        without any error counts as 100 dB in the mean PSNR.

        Args:
            clip: The source.
            decoded: uint8 RGB [H, W, 3], one for every frame of the source.

        Returns:
            The number of frames, and the scores by name.

        Raises:
            UnsupportedVideo: The decoded clip has another size, or more or fewer frames.
            OptionError: VMAF's process failed.
            ImfcodecError: The source cannot be read any more.
        """
        tracks = self._faces(clip)
        with ExitStack() as stack:
            meters = {
                name: self._meter(name, clip, tracks, stack)
                for name in self._names
                if _fits(name, clip) and (tracks or not needs_faces(name))
            }
            frames = 0
            for batch in _batches(clip, decoded):
                for meter in meters.values():
                    meter.add(batch)
                frames += len(batch.source)
            scores = {name: meter.score() for name, meter in meters.items()}
        return frames, {name: score for name, score in scores.items() if score is not None}

    def _meter(self, name: str, clip: Clip, tracks: Sequence[FaceTrack], stack: ExitStack) -> Meter:
        region, base = _split(name)
        places: list[Place] = [everywhere]
        if region:
            places = [partial(_REGIONS[region], track) for track in tracks]
        match base:
            case "motion_error":
                return motion_meter(places)
            case "xpsnr_db":
                return xpsnr_meter(Xpsnr(clip.width, clip.height, clip.rate))
            case "vmaf":
                vmaf = Vmaf(clip.width, clip.height, clip.rate)
                return vmaf_meter(stack.enter_context(vmaf))
            case "identity":
                assert self._options.recogniser is not None
                recogniser = _recogniser(self._options.recogniser)
                return identity_meter(
                    recogniser, tracks, self._source_embeddings(clip, tracks, recogniser)
                )
        measure = _measure(base)
        if name == "face_lpips_alex":
            measure = _enlarged(measure)
        return frame_meter(measure, places, higher_is_better=_HIGHER[name])

    def _faces(self, clip: Clip) -> list[FaceTrack]:
        if not any(map(needs_faces, self._names)):
            return []
        if clip.sha256 not in self._tracks:
            size = clip.width, clip.height
            self._tracks[clip.sha256] = follow_faces(clip.originals(), _finder(), size)
        return self._tracks[clip.sha256]

    def _source_embeddings(
        self, clip: Clip, tracks: Sequence[FaceTrack], recogniser: Recogniser
    ) -> npt.NDArray[np.float32]:
        if clip.sha256 not in self._embeddings:
            self._embeddings[clip.sha256] = np.stack(
                [embed_faces(recogniser, p, tracks, n) for n, p in enumerate(clip.pictures())]
            )
        return self._embeddings[clip.sha256]


def _batches(clip: Clip, decoded: Iterator[Picture]) -> Iterator[Batch]:
    pairs = _pairs(clip, decoded)
    first = 0
    while part := list(islice(pairs, BATCH)):
        source, coded = (np.stack(pictures) for pictures in zip(*part, strict=True))
        yield Batch(first, source, coded)
        first += len(part)


def _pairs(clip: Clip, decoded: Iterator[Picture]) -> Iterator[tuple[Picture, Picture]]:
    shape = (clip.height, clip.width, 3)
    frame = -1
    for frame, source in enumerate(clip.pictures()):
        coded = next(decoded, None)
        if coded is None:
            raise UnsupportedVideo(
                f"{clip.name}: {frame} decoded frames, the source has {clip.frames}"
            )
        if coded.shape != shape:
            raise UnsupportedVideo(
                f"{clip.name}: decoded frame {frame} is {coded.shape[1]}x{coded.shape[0]}, "
                f"the source {clip.width}x{clip.height}"
            )
        # Codecs may reuse their buffer for the next frame.
        yield source.copy(), coded.copy()
    if next(decoded, None) is not None:
        raise UnsupportedVideo(f"{clip.name}: more decoded frames than the source's {frame + 1}")


def _split(name: str) -> tuple[str, str]:
    """The region ("" for the whole picture) and the metric that is measured there."""
    region, _, base = name.partition("_")
    return (region, base) if region in _REGIONS else ("", name)


def _fits(name: str, clip: Clip) -> bool:
    """Whether the pictures are large enough for a metric."""
    if name == "xpsnr_db":
        return clip.width * clip.height >= MIN_PIXELS
    return min(clip.width, clip.height) >= _LEAST_SIDE.get(_split(name)[1], 1)


def _measure(base: str) -> Measure:
    if base.startswith("lpips_"):
        lpips = _lpips(base.removeprefix("lpips_"))
        return lambda source, coded: lpips(source, coded).tolist()
    measure = _ONE_BY_ONE[base]

    def each(source: Pictures, coded: Pictures) -> list[float]:
        return [measure(x, y) for x, y in zip(source, coded, strict=True)]

    return each


def _enlarged(measure: Measure) -> Measure:
    """The same, of pictures of at least `_FACE_LPIPS_SIDE`."""

    def each(source: Pictures, coded: Pictures) -> list[float]:
        height, width = source.shape[1:3]
        scale = max(1.0, _FACE_LPIPS_SIDE / min(height, width))
        size = round(width * scale), round(height * scale)
        return measure(*(np.stack([resize(p, size) for p in batch]) for batch in (source, coded)))

    return each


def _why_missing(name: str, options: ScoreOptions) -> str | None:
    base = _split(name)[1]
    try:
        if base == "identity":
            if options.recogniser is None:
                return "no face recogniser is given: --recogniser"
            _recogniser(options.recogniser)
        if base.startswith("lpips_"):
            _lpips(base.removeprefix("lpips_"))
        package = _PACKAGES.get(base)
        if package and find_spec(package) is None:
            return f"it needs {package}: pip install 'imfcodec[bench]'"
    except OptionError as error:
        return str(error)
    if base == "xpsnr_db":
        return xpsnr_missing()
    return vmaf_missing() if base == "vmaf" else None


# Kept for the life of the process: loading takes longer than measuring a short clip.
_lpips = cache(Lpips)
_finder = cache(FaceFinder)
_recogniser = cache(Recogniser)
