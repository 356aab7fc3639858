"""What runs the network for a stream, and with which weights."""

from __future__ import annotations

from importlib.util import find_spec

from imfcodec import weights
from imfcodec.bitstream import StreamHeader
from imfcodec.codec.network import AUTO, ENGINES, EXPORTED, MODULES, TORCH
from imfcodec.config import DecodeOptions
from imfcodec.errors import OptionError, WeightsMissing


def engine_of(header: StreamHeader, options: DecodeOptions, loaded: weights.Weights | None) -> str:
    """The user's engine, a key of `ENGINES`; auto is the fastest one that is there with its graphs.

    Raises:
        OptionError: There is no such engine.
    """
    if options.engine in ENGINES:
        return options.engine
    if options.engine != AUTO:
        names = ", ".join((AUTO, *ENGINES))
        raise OptionError(f"the engine must be one of {names}, not {options.engine!r}")
    if loaded or options.weights or options.device != "cpu":
        return TORCH
    for engine, kind in EXPORTED.items():
        exported = {file.id for file in weights.available(kind)}
        if header.weights_id in exported and find_spec(MODULES[engine]):
            return engine
    return TORCH


def weights_of(
    header: StreamHeader, options: DecodeOptions, loaded: weights.Weights | None, engine: str
) -> weights.Weights | weights.ExportedWeights:
    """The weights that the stream names: loaded ones, the user's choice, or installed ones."""
    exported, choice = EXPORTED.get(engine), options.weights
    if choice is None and (loaded is None or exported):
        file = weights.find_by_id(header.weights_id, exported)
    else:
        file = loaded.file if loaded else weights.find(choice, exported=exported)
    if file.id != header.weights_id:
        raise WeightsMissing(
            f"the stream needs weights {header.weights_id.hex()}, and "
            f"{choice or 'the loaded file'!r} is {file.label}"
        )
    if exported:
        return weights.load_exported(file)
    return loaded or weights.load(file)
