"""Graphs in MNN.

MNN (github.com/alibaba/MNN) computes 3x3 convolutions by Winograd's method, with a quarter to a
half of the multiplications.
"""

from __future__ import annotations

import ctypes
import os
import sys
from collections.abc import Iterator, Mapping
from contextlib import contextmanager, nullcontext, suppress
from pathlib import Path
from queue import SimpleQueue
from typing import Any, Final

import numpy as np

from imfcodec.codec.network.graphs import REBUILD, RESTORE, RESTORE_ONCE
from imfcodec.errors import ImfcodecError, OptionError

MOST_SESSIONS: Final = 4
"""Calls of a graph that run at the same time: a session keeps 65 MiB. Further threads help them."""

WINOGRAD: Final = {RESTORE: 1, RESTORE_ONCE: 3, REBUILD: 3}
"""How large Winograd's tiles may be, 0 (none) to 3, by graph. R at 3 takes 0.18 s instead of 0.28
(two AVX2 cores), but 140 MiB more. A reference is made once for many frames."""

WINOGRAD_HINT: Final = 3
"""MNN's number of that hint; its Python module has no name for it."""


class MnnGraph:
    """A graph that is ready to run (see `graphs.Graph`)."""

    def __init__(self, path: Path, device: str, threads: int, calls: int) -> None:
        """See `graphs.Load`."""
        if device != "cpu":
            raise OptionError(f"device {device!r} is not available to mnn, only cpu is")
        mnn, sessions = _mnn(), min(calls, MOST_SESSIONS)
        self._free: SimpleQueue[_Session] = SimpleQueue()
        for _ in range(sessions):
            self._free.put(_Session(mnn, path, threads // sessions))

    def __call__(self, inputs: Mapping[str, Any]) -> dict[str, Any]:
        """See `graphs.Graph`."""
        session = self._free.get()
        try:
            return session(inputs)
        finally:
            self._free.put(session)


class _Session:
    """A graph that one thread runs at a time, and plans anew where sizes change."""

    def __init__(self, mnn: Any, path: Path, threads: int) -> None:
        self._mnn = mnn
        self._net = mnn.Interpreter(str(path))
        self._net.setSessionHint(WINOGRAD_HINT, WINOGRAD.get(path.stem, 0))
        self._session = self._net.createSession({"backend": "CPU", "numThread": threads})
        if self._session is None:
            raise ImfcodecError(f"MNN cannot use {path}")
        self._inputs = self._net.getSessionInputAll(self._session)
        self._sizes: dict[str, tuple[int, ...]] = {}

    def __call__(self, inputs: Mapping[str, Any]) -> dict[str, Any]:
        sizes = {name: inputs[name].shape for name in self._inputs}
        if sizes != self._sizes:
            for name, tensor in self._inputs.items():
                self._net.resizeTensor(tensor, sizes[name])
            self._net.resizeSession(self._session)
            self._sizes = sizes
        for name, tensor in self._inputs.items():
            array = np.ascontiguousarray(inputs[name])
            tensor.copyFrom(self._tensor(tensor.getDataType(), array))
        if code := self._net.runSession(self._session):
            raise ImfcodecError(f"MNN failed with error {code}; the memory may be too small")
        outputs = self._net.getSessionOutputAll(self._session)
        return {name: self._array(tensor) for name, tensor in outputs.items()}

    def _array(self, output: Any) -> Any:
        kind = output.getDataType()
        element = np.uint8 if kind == self._mnn.Halide_Type_Uint8 else np.float32
        held = self._tensor(kind, np.empty(output.getShape(), element))
        output.copyToHostTensor(held)
        return held.getNumpyData().copy()  # a view of memory that goes with the tensor

    def _tensor(self, kind: Any, array: Any) -> Any:
        """A tensor whose values lie as in the array."""
        order = self._mnn.Tensor_DimensionType_Caffe
        return self._mnn.Tensor(array.shape, kind, array, order)


def _mnn() -> Any:
    """MNN's module.

    Raises:
        OptionError: It is not installed.
    """
    try:
        with nullcontext() if "MNN" in sys.modules else _silence():
            import MNN
    except ImportError as error:
        raise OptionError(
            "the engine mnn is not installed; the extra mnn brings it: pip install 'imfcodec[mnn]'"
        ) from error
    return MNN


@contextmanager
def _silence() -> Iterator[None]:
    """Drop what C code prints to stdout, which may carry a stream: MNN reports the processor."""
    try:
        kept = os.dup(1)
    except OSError:  # there is no stdout
        yield
        return
    nowhere = os.open(os.devnull, os.O_WRONLY)
    try:
        os.dup2(nowhere, 1)
        yield
    finally:
        with suppress(OSError):
            ctypes.CDLL("ucrtbase" if os.name == "nt" else None).fflush(None)
        os.dup2(kept, 1)
        os.close(kept)
        os.close(nowhere)
