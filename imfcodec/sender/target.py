"""Encoding to a rate or a size: the whole video again and again, with another quality.

    quality ─ encode ─ bytes ─ too many, too few? ─┐
       ▲                                           │
       └───────────────────────────────────────────┘

1. Encode once, quickly. Tokens are not improved, and plain AV1 is not tried: both are slow.
2. Find a quality whose stream has about the right size. Trials code key pictures alone, quickly:
   tokens take about what they took, more with a finer quantiser.
3. Keep the quantiser and the time between key frames, and vary the CRF alone, again in trials. The
   number of key frames then stays as it is; in a short video, one more is a large step.
4. Encode with all options. If the size is wrong, or five seconds have far too many bytes, it tells
   how much a trial lacks: back to 3.
5. If even the lowest quality is too large, do the same with plain AV1, if the mode permits it.
"""

from __future__ import annotations

import math
from contextlib import suppress
from dataclasses import replace
from pathlib import Path
from stat import S_ISREG
from typing import BinaryIO, Final, Protocol

from imfcodec.bitstream.rate import rate_kbps
from imfcodec.codec.stages import Progress
from imfcodec.config import EncodeOptions
from imfcodec.errors import OptionError, TargetMissed
from imfcodec.quality import MAX_QUALITY, point_of
from imfcodec.sender.report import EncodeReport
from imfcodec.sender.search import AIM, ends, nearest, search

PASSES: Final = 5
"""Largest number of passes with tokens. The last one is for the lowest quality, if nothing else is
small enough."""

TRIALS: Final = 6
"""Largest number of passes without tokens before each of those."""

ROUGH, CLOSE = 0.2, 0.015
"""Distances of the excess from what is wanted that end steps 2 and 3."""

NEAR_ENOUGH: Final = math.log(0.95)
"""An excess from this to 0 ends the search."""

IMPROVED, FINER = 1.2, 1.15
"""How many times the bytes improved tokens take, and those of a quantiser one step finer."""

HASTY, SAVED = 2, 0.04
"""Slowest SVT-AV1 preset of trials, and the share of the bytes that a slower one saves."""

RATE_TOLERANCE: Final = math.log(1.02)
"""Largest excess of a rate, if nothing nearer was found. A size has none."""

PEAK, GIVEN = math.log(1.05), 0.02
"""Five seconds may exceed the rate of their stream by `PEAK`. Beyond that, the stream gets fewer
bytes, by `GIVEN` at most."""

SLOPE, CRF_SLOPE = 0.025, 0.015
"""How much one step of quality adds to the excess: usually, and if the CRF alone varies."""


class Pass(Protocol):
    """Encodes the source."""

    def __call__(
        self,
        target: Path,
        options: EncodeOptions,
        progress: Progress | None,
        tokens: bool = True,
    ) -> EncodeReport:
        """Encode into a file, perhaps without tokens."""
        ...


def check_source(source: str | Path | BinaryIO) -> None:
    """Refuse what cannot be read several times.

    Raises:
        OptionError: It is no file.
    """
    if not is_file(source):
        raise OptionError(
            "a rate or a size needs a file as input, which is read several times; only with "
            "latency 'low' is a rate met in one pass"
        )


def is_file(source: str | Path | BinaryIO) -> bool:
    """Whether a source is a path that names a regular file, or nothing."""
    if not isinstance(source, str | Path) or source == "-":
        return False
    with suppress(OSError):  # the reader has the better message
        return S_ISREG(Path(source).stat().st_mode)
    return True


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
        TargetMissed: Even the lowest quality exceeds it, and ``best_effort`` is false.
    """
    return _meet(_Passes(encode, options, folder, progress), options)


def _meet(passes: _Passes, options: EncodeOptions) -> tuple[Path, EncodeReport]:
    final = replace(options, bitrate=None, with_sound=False, max_size=None, min_quality=0.0)
    quick = _hasty(replace(final, refine=0, measure=False))
    if final.effort.mode == "auto":
        quick = replace(quick, mode="imf")
    if quick.effort == final.effort and not final.measure:
        quick = final

    lowest = options.min_quality
    first = max(final.quality, lowest)
    tried = {first: passes.excess(_at(quick, first, first))}
    tokens, level = passes.token_bytes(_at(quick, first, first)), point_of(first).quantiser

    def expected(quality: float) -> float:
        """Bytes of tokens that are not improved."""
        return tokens * FINER ** (level - point_of(quality).quantiser)

    search(
        tried,
        lambda q: passes.trial(_at(quick, q, q), expected(q)),
        SLOPE,
        (-ROUGH, ROUGH),
        (lowest, MAX_QUALITY),
        TRIALS,
    )
    base = nearest(tried)
    _, coded = passes.result(_at(quick, first, first))
    has_tokens = coded.coded_as.keys() != {"av1"}
    # Plain AV1 reaches lower rates.
    plain = final.effort.mode == "auto" and has_tokens and not lowest
    if plain and tried.get(lowest, 0.0) > ROUGH:
        return _meet(passes, replace(options, mode="av1"))
    more = passes.guess(_at(final, base, base), expected(base))
    tried = {first: tried[first]} if quick == final and base == first else {}
    while len(tried) < PASSES - 2 and not ends(tried, (NEAR_ENOUGH, 0)):
        quality = passes.fitting(final, base, more)
        if quality in tried:
            break
        made = _at(final, quality, base)
        excess, above = passes.excess(made), passes.above(made)
        tried[quality] = excess + above
        more = passes.token_bytes(made, above)

    fitting = {
        q: counted
        for q, counted in tried.items()
        if passes.excess(_at(final, q, base)) <= passes.tolerance
    }
    if fitting:
        return passes.result(_at(final, nearest(fitting), base))
    smallest = _at(final, lowest, lowest)
    if passes.excess(smallest) > passes.tolerance:
        if plain:
            return _meet(passes, replace(options, mode="av1"))
        message = f"even quality {lowest:g} takes {taken(passes.result(smallest)[1], options)}"
        if not options.best_effort:
            raise TargetMissed(message)
        passes.result(smallest)[1].warnings.append(message)
    return passes.result(smallest)


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
        self._frames, self._duration_s, self._furthest_s = 0, 0.0, 0.0
        self._made: dict[EncodeOptions, tuple[Path, EncodeReport]] = {}
        self._trials: dict[EncodeOptions, EncodeReport] = {}
        self.tolerance = 0.0 if target.bitrate is None else RATE_TOLERANCE

    def excess(self, options: EncodeOptions) -> float:
        """Encode with these options, unless that was done before."""
        if options not in self._made:
            path = self._folder / f"{len(self._made)}.imf"
            report = self._encode(path, options, self._progress and self._advance)
            self._made[options] = path, report
            self._frames += report.frames
            self._duration_s += report.duration_s
        return excess_of(self._made[options][1], self._target)

    def above(self, options: EncodeOptions) -> float:
        """What five seconds beyond `PEAK` add to the excess of a stream that was made."""
        report = self._made[options][1]
        if self._target.bitrate is None or not report.peak_kbps:
            return 0.0
        return min(max(0.0, math.log(report.peak_kbps / report.rate_kbps) - PEAK), GIVEN)

    def guess(self, options: EncodeOptions, plain_bytes: float) -> float:
        """About what `token_bytes` will be, if tokens that are not improved take so many bytes."""
        improved = plain_bytes * (IMPROVED if options.effort.refine else 1)
        if options.effort.key_preset >= HASTY:
            return improved
        return improved - SAVED * self._without_tokens(options).sizes.total_bytes

    def token_bytes(self, options: EncodeOptions, above: float = 0.0) -> float:
        """How many bytes a trial lacks of a stream that was made.

        Args:
            options: Those of the stream.
            above: Added to the excess of the stream.
        """
        without = self._without_tokens(options).sizes.total_bytes
        return math.exp(above) * self._made[options][1].sizes.total_bytes - without

    def trial(self, options: EncodeOptions, token_bytes: float) -> float:
        """Excess with these options if tokens take so many bytes."""
        return excess_of(self._without_tokens(options), self._target, token_bytes)

    def _without_tokens(self, options: EncodeOptions) -> EncodeReport:
        options = _hasty(replace(options, refine=0, measure=False))
        if options not in self._trials:
            trial = self._folder / f"trial{len(self._trials)}.imf"
            self._trials[options] = self._encode(trial, options, None, tokens=False)
        return self._trials[options]

    def fitting(self, options: EncodeOptions, base: float, token_bytes: float) -> float:
        """The quality whose CRF should meet the target, all else as of ``base``."""

        def excess(quality: float) -> float:
            return self.trial(_at(options, quality, base), token_bytes)

        tried = {base: excess(base)}
        close, limits = (AIM - CLOSE, AIM + CLOSE), (self._target.min_quality, MAX_QUALITY)
        search(tried, excess, CRF_SLOPE, close, limits, TRIALS)
        return nearest({q: tried[q] for q in tried if tried[q] <= 0} or tried)

    def result(self, options: EncodeOptions) -> tuple[Path, EncodeReport]:
        """The stream with these options and its report, which says how many passes there were."""
        path, report = self._made[options]
        report.passes = len(self._made)
        return path, report

    def _advance(self, frames: int, seconds: float) -> None:
        """Tell how far the present pass is; there are more than `PASSES` at the lowest rates."""
        assert self._progress is not None
        share = 1 / max(PASSES, len(self._made) + 1)
        self._furthest_s = max(self._furthest_s, share * (self._duration_s + seconds))
        self._progress(self._frames + frames, self._furthest_s)


def _hasty(options: EncodeOptions) -> EncodeOptions:
    """Options with key pictures that are coded quickly."""
    return replace(options, key_preset=max(HASTY, options.effort.key_preset))


def _at(options: EncodeOptions, quality: float, base: float) -> EncodeOptions:
    """Options with the CRF of a quality, and all else of another one."""
    point = point_of(base)
    return replace(
        options,
        quality=quality,
        quantiser=point.quantiser,
        keyframe_interval_s=point.keyframe_interval_s,
    )


def _counted_bytes(report: EncodeReport, target: EncodeOptions) -> int:
    """The bytes of a stream that count for a rate or a size."""
    return report.sizes.counted_bytes(with_sound=target.bitrate is None or target.with_sound)


def excess_of(report: EncodeReport, target: EncodeOptions, more_bytes: float = 0.0) -> float:
    """Logarithm of what a stream takes over what it may take.

    Args:
        report: Of the stream.
        target: Has a rate or a size.
        more_bytes: Added to the size of the stream.
    """
    size_bytes = _counted_bytes(report, target) + more_bytes
    if target.bitrate is not None:
        return math.log(8 * size_bytes / report.duration_s / target.bitrate)
    assert target.max_size is not None
    return math.log(size_bytes / target.max_size)


def taken(report: EncodeReport, target: EncodeOptions) -> str:
    """What a stream takes and may take."""
    size_bytes = _counted_bytes(report, target)
    if target.bitrate is None:
        return f"{size_bytes} bytes, not {target.max_size} bytes"
    sound = " with its sound" if target.with_sound else ""
    kbps = rate_kbps(size_bytes, 0, report.duration_s)
    return f"{kbps:.2f} kbit/s{sound}, not {target.bitrate / 1000:.2f} kbit/s"
