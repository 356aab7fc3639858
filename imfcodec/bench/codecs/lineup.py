"""All codecs, and their choice by name."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from fnmatch import fnmatchcase
from itertools import product

from imfcodec.bench.codecs.anchors import libaom, svtav1, vp9, vvc, x264, x265
from imfcodec.bench.codecs.codec import Codec
from imfcodec.bench.codecs.frozen import Frozen
from imfcodec.bench.codecs.imf import IMF
from imfcodec.bench.codecs.sampling import Sampling
from imfcodec.config import EFFORTS
from imfcodec.errors import OptionError

DEFAULT = (
    *("imf-default", "frozen", "svtav1-ra-p2", "svtav1-ra-p2-half", "svtav1-ra-p2-192px-half"),
    *("x265", "x264", "vp9", "vvc"),
)
"""For a first look: ours, the floor, and one strong curve or family of each standard."""

_SIZES = (None, 192, 128)
_PRESETS = (2, 8)


def lineup(
    names: Sequence[str] | None = None,
    *,
    weights: Sequence[str | None] = (None,),
    threads: int = 1,
) -> tuple[Codec, ...]:
    """The codecs that names select, each once, in the order of the whole list.

    Args:
        names: Exact names (`svtav1-ra-p2`: this curve alone), beginnings of names up to a dash
            (`svtav1`, `svtav1-ra`, `vvc`, `imf-best`) or glob patterns (`svtav1-*-p2*`). None:
            `DEFAULT`.
        weights: Those of our own codec, as `IMF` takes them; one codec for each and each preset.
        threads: Of each codec.

    Raises:
        OptionError: A name selects nothing; the message lists what there is.
    """
    codecs = tuple(_all(weights, threads))
    chosen: set[str] = set()
    for name in names if names is not None else DEFAULT:
        matches = _matches(name, [codec.name for codec in codecs])
        if not matches:
            known = ", ".join(codec.name for codec in codecs)
            raise OptionError(f"there is no codec {name!r}; there are {known}")
        chosen.update(matches)
    return tuple(codec for codec in codecs if codec.name in chosen)


def _all(weights: Sequence[str | None], threads: int) -> Iterator[Codec]:
    # Several ways to name one set of weights make one codec.
    ours = (IMF(preset, w, threads) for preset, w in product(EFFORTS, weights))
    yield from {codec.name: codec for codec in ours}.values()
    yield Frozen()
    for preset, low_delay, size, half in product(_PRESETS, (False, True), _SIZES, (False, True)):
        yield svtav1(threads, Sampling(size, half), preset, low_delay)
    for anchor in (libaom, vvc, x265, x264, vp9):
        yield anchor(threads)


def _matches(name: str, known: Sequence[str]) -> list[str]:
    if name in known:
        return [name]
    return [k for k in known if k.startswith(f"{name}-") or fnmatchcase(k, name)]
