"""`encode` and `decode` with options as keyword arguments."""

from __future__ import annotations

import dataclasses
import difflib
from pathlib import Path
from typing import Any, BinaryIO, TypeVar

from imfcodec.config import DecodeOptions, EncodeOptions
from imfcodec.errors import OptionError
from imfcodec.receiver.decode import decode as decode_with
from imfcodec.receiver.report import DecodeReport
from imfcodec.sender.encode import encode as encode_with
from imfcodec.sender.report import EncodeReport
from imfcodec.weights import Weights

Options = TypeVar("Options", EncodeOptions, DecodeOptions)


def encode(
    source: str | Path | BinaryIO, target: str | Path | BinaryIO, **options: Any
) -> EncodeReport:
    """Encode a video into an .imf stream; keywords are fields of `EncodeOptions`.

    ``weights`` may also be `Weights` that `load_weights` returned.

    Raises:
        OptionError: There is no such option, or a value cannot be used.
        ImfcodecError: Any other cause, one class each; nothing is written.
    """
    loaded = _taken(options)
    return encode_with(source, target, _options(EncodeOptions, options), loaded=loaded)


def decode(
    source: str | Path | BinaryIO, target: str | Path | BinaryIO, **options: Any
) -> DecodeReport:
    """Decode an .imf stream into a video; keywords are fields of `DecodeOptions`.

    ``weights`` may also be `Weights` that `load_weights` returned.

    Raises:
        OptionError: There is no such option, or a value cannot be used.
        DamagedStream: The stream is damaged; the output is complete, and each lost frame repeats
            the last good frame.
        ImfcodecError: Any other cause, one class each; nothing is written.
    """
    loaded = _taken(options)
    return decode_with(source, target, _options(DecodeOptions, options), loaded=loaded)


def _taken(options: dict[str, Any]) -> Weights | None:
    """Take loaded weights out of the options."""
    loaded = options.get("weights")
    return options.pop("weights") if isinstance(loaded, Weights) else None


def _options(kind: type[Options], options: dict[str, Any]) -> Options:
    known = [field.name for field in dataclasses.fields(kind)]
    for name in options:
        if name not in known:
            near = difflib.get_close_matches(name, known, 1)
            hint = f"; did you mean {near[0]!r}?" if near else f"; there are {', '.join(known)}"
            raise OptionError(f"there is no option {name!r}{hint}")
    return kind(**options)
