"""Encoding to a rate or a size: the whole video again and again, with another quality.

    quality ─ encode ─ bytes ─ too many, too few? ─┐
       ▲                                           │
       └───────────────────────────────────────────┘

1. Find a quality whose stream has about the right size. Tokens are not improved: that is slow.
2. Encode with all options. Keep the quantiser and the time between key frames, and vary the CRF
   alone. The number of key frames then stays as it is; in a short video, one more is a large step.

Excess is the logarithm of the bytes over those that the target allows. It is nearly linear in
quality.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping
from contextlib import suppress
from dataclasses import replace
from pathlib import Path
from stat import S_ISREG
from typing import BinaryIO, Final

from imfcodec.codec.stages import Progress
from imfcodec.config import EncodeOptions
from imfcodec.errors import OptionError, TargetMissed
from imfcodec.quality import MAX_QUALITY, point_of
from imfcodec.sender.report import EncodeReport

PASSES: Final = 8
"""Largest number of passes. The last one is for the lowest quality, if nothing else is small
enough."""

ROUGH_PASSES: Final = 4
"""Largest number of them in step 1."""

ROUGH: Final = 0.2
"""Excess, up or down, that ends step 1."""

NEAR_ENOUGH: Final = math.log(0.95)
"""An excess from this to 0 ends the search."""

AIM: Final = math.log(0.98)
"""The excess that the search aims at."""

IMPROVED: Final = 0.05
"""Improved tokens usually add this to the excess."""

RATE_TOLERANCE: Final = math.log(1.02)
"""Largest excess of a rate, if nothing nearer was found. A size has none."""

SLOPE, CRF_SLOPE, LEAST_SLOPE = 0.025, 0.015, 0.005
"""How much one step of quality adds to the excess: usually, if the CRF alone varies, and the least
to reckon with."""

OVERREACH: Final = 1.1
"""Steps away from all that was tried are longer by this factor: what helps most is a bracket."""

MARGIN: Final = 0.1
"""The next quality stays away from the ends of the bracket by this share of its width."""

FINEST: Final = 0.25
"""A bracket of this width is not divided."""

Pass = Callable[[Path, EncodeOptions, Progress | None], EncodeReport]
"""Encodes the source into a file."""


def check_source(source: str | Path | BinaryIO) -> None:
    """Refuse what cannot be read several times.

    Raises:
        OptionError: It is no file.
    """
    again = isinstance(source, str | Path) and source != "-"
    if again:
        with suppress(OSError):  # the reader has the better message
            again = S_ISREG(Path(str(source)).stat().st_mode)
    if not again:
        raise OptionError("a rate or a size needs a file as input, which is read several times")


def meet_target(
    encode: Pass, options: EncodeOptions, folder: Path, progress: Progress | None
) -> tuple[Path, EncodeReport]:
    """Encode until the stream is as large as the options ask for.

    Args:
        encode: Makes one pass.
        options: With a target.
        folder: Takes the streams of all passes.
        progress: Told of the work done, as if there were as many passes as there can be.

    Returns:
        The stream that is nearest to the target without exceeding it, and its report.

    Raises:
        TargetMissed: Even quality 0 exceeds it, and ``best_effort`` is false.
    """
    passes = _Passes(encode, options, folder, progress)
    final = replace(options, bitrate=None, max_size=None)
    quick = replace(final, refine=0, measure=False)
    if not final.refine_steps and not final.measure:
        quick = final

    quality = final.quality
    tried = {quality: passes.excess(_at(quick, quality, quality))}
    passes.search(lambda q: _at(quick, q, q), tried, SLOPE, (-ROUGH, ROUGH), ROUGH_PASSES)

    base = quality = _nearest(tried)
    if quick != final:
        quality = next_quality({base: tried[base] + IMPROVED}, CRF_SLOPE)
    tried = {quality: passes.excess(_at(final, quality, base))}
    passes.search(lambda q: _at(final, q, base), tried, CRF_SLOPE, (NEAR_ENOUGH, 0), PASSES - 1)

    fitting = {q: excess for q, excess in tried.items() if excess <= passes.tolerance}
    if fitting:
        return passes.result(_at(final, _nearest(fitting), base))
    lowest = _at(final, 0.0, 0.0)
    if passes.excess(lowest) > passes.tolerance:
        message = f"even quality 0 takes {_taken(passes.result(lowest)[1], options)}"
        if not options.best_effort:
            raise TargetMissed(message)
        passes.result(lowest)[1].warnings.append(message)
    return passes.result(lowest)


class _Passes:
    """Encodes and keeps count.

    Attributes:
        tolerance: Largest excess that is no failure.
    """

    def __init__(
        self, encode: Pass, target: EncodeOptions, folder: Path, progress: Progress | None
    ) -> None:
        self._encode, self._target = encode, target
        self._folder, self._progress = folder, progress
        self._frames, self._duration_s = 0, 0.0
        self._made: dict[EncodeOptions, tuple[Path, EncodeReport]] = {}
        self.tolerance = 0.0 if target.bitrate is None else RATE_TOLERANCE

    def excess(self, options: EncodeOptions) -> float:
        """Encode with these options, unless that was done before."""
        if options not in self._made:
            path = self._folder / f"{len(self._made)}.imf"
            report = self._encode(path, options, self._progress and self._advance)
            self._made[options] = path, report
            self._frames += report.frames
            self._duration_s += report.duration_s
        _, report = self._made[options]
        if self._target.bitrate is not None:
            return math.log(1000 * report.rate_kbps / self._target.bitrate)
        assert self._target.max_size is not None
        return math.log(report.sizes.total_bytes / self._target.max_size)

    def search(
        self,
        options: Callable[[float], EncodeOptions],
        tried: dict[float, float],
        slope: float,
        wanted: tuple[float, float],
        most: int,
    ) -> None:
        """Encode until an excess is as wanted, or no other quality is worth it.

        Args:
            options: Of a quality.
            tried: Excess by quality; grows.
            slope: As for `next_quality`.
            wanted: Lowest and highest excess that end the search.
            most: Passes in all, with those before.
        """
        while not any(wanted[0] <= excess <= wanted[1] for excess in tried.values()):
            quality = next_quality(tried, slope)
            if quality in tried or len(self._made) == most:
                return
            tried[quality] = self.excess(options(quality))

    def result(self, options: EncodeOptions) -> tuple[Path, EncodeReport]:
        """The stream with these options and its report, which says how many passes there were."""
        path, report = self._made[options]
        report.passes = len(self._made)
        return path, report

    def _advance(self, frames: int, seconds: float) -> None:
        """Tell how far the present pass is."""
        assert self._progress is not None
        self._progress(self._frames + frames, (self._duration_s + seconds) / PASSES)


def next_quality(tried: Mapping[float, float], slope: float) -> float:
    """The quality whose excess should be what the search aims at.

    Args:
        tried: Excess by quality; at least one.
        slope: Of the excess, if one alone was tried.

    Returns:
        0 to 100; one that was tried if no other one is worth it.
    """
    low = max((q for q in tried if tried[q] <= AIM), default=-math.inf)
    high = min((q for q in tried if tried[q] > AIM and q > low), default=math.inf)
    if high - low <= FINEST:
        return low
    if math.isfinite(high - low):
        share = (AIM - tried[low]) / (tried[high] - tried[low])
        return low + (high - low) * min(max(share, MARGIN), 1 - MARGIN)
    near, *others = sorted(tried, key=lambda q: abs(tried[q] - AIM))
    if others:
        slope = max((tried[near] - tried[others[0]]) / (near - others[0]), LEAST_SLOPE)
    found = near + OVERREACH * (AIM - tried[near]) / slope
    return min(max(found, 0.0), float(MAX_QUALITY))


def _at(options: EncodeOptions, quality: float, base: float) -> EncodeOptions:
    """Options with the CRF of a quality, and all else of another one."""
    point = point_of(base)
    return replace(
        options,
        quality=quality,
        quantiser=point.quantiser,
        keyframe_interval_s=point.keyframe_interval_s,
    )


def _nearest(tried: Mapping[float, float]) -> float:
    return min(tried, key=lambda q: abs(tried[q] - AIM))


def _taken(report: EncodeReport, target: EncodeOptions) -> str:
    """What a stream takes and may take."""
    if target.bitrate is not None:
        return f"{report.rate_kbps:.2f} kbit/s, not {target.bitrate / 1000:.2f} kbit/s"
    return f"{report.sizes.total_bytes} bytes, not {target.max_size} bytes"
