"""The network in onnxruntime, from exported weights."""

from __future__ import annotations

import os
from concurrent.futures import ThreadPoolExecutor
from functools import partial
from typing import TYPE_CHECKING, Any

import numpy as np

from imfcodec.arrays import Picture, Pictures, Tokens
from imfcodec.codec.network import STRENGTHS
from imfcodec.codec.network.sharing import shared_out, sharing
from imfcodec.codec.tokens import Quantiser
from imfcodec.config import DecodeOptions
from imfcodec.errors import OptionError, WeightsCorrupt

if TYPE_CHECKING:
    from imfcodec.weights import ExportedWeights, WeightsFile

PROVIDERS = {"cpu": "CPUExecutionProvider", "cuda": "CUDAExecutionProvider"}
"""What onnxruntime calls the devices."""


class OnnxNetwork:
    """The network in onnxruntime (see `Network`).

        restore.onnx     picture, share -> restored
        reference.onnx   picture, token -> everything that rebuild.onnx takes besides tokens
        rebuild.onnx     token, ... -> picture

    Pictures are uint8 [N, H, W, 3] there, tokens float32 [N, d_m]. Without restore.onnx, key frames
    are used as they are. On a CPU, each thread rebuilds frames of its own, while all threads
    together work on a key frame.
    """

    def __init__(
        self, weights: ExportedWeights, quantiser: Quantiser, options: DecodeOptions
    ) -> None:
        """Load the graphs.

        Args:
            weights: Where they are.
            quantiser: Of the stream's tokens.
            options: Device, threads and batch.

        Raises:
            OptionError: onnxruntime is not installed, or there is no such device.
            WeightsCorrupt: A graph is missing, damaged, or of other weights.
        """
        threads = options.threads or _cores()
        on_cpu = options.device == "cpu"
        self._shares, self.batch, self.side_by_side = sharing(threads, options.batch, on_cpu=on_cpu)
        self._workers = ThreadPoolExecutor(self._shares, "imfcodec-network")
        self.warnings: list[str] = []
        self._quantiser = quantiser
        graph = partial(_session, weights.file, options.device)
        restores = (weights.file.path / "restore.onnx").exists()
        self._restore = graph("restore.onnx", threads) if restores else None
        self._refer = graph("reference.onnx", threads)
        self._frames = graph("rebuild.onnx", 1)

    def restore(self, picture: Picture, restoration: int = 0) -> Picture:
        """See `Network.restore`."""
        share = STRENGTHS[restoration]
        if self._restore is None or not share:
            return picture
        inputs = {"picture": picture[None], "share": np.full(1, share, np.float32)}
        restored: Picture = self._restore.run(None, inputs)[0][0]
        return restored

    def reference(self, picture: Picture, token: Tokens) -> dict[str, Any]:
        """See `Network.reference`: the outputs of reference.onnx by name."""
        inputs = {"picture": picture[None], "token": self._quantiser.dequantise(token[None])}
        outputs = self._refer.run(None, inputs)
        return dict(zip(_names(self._refer.get_outputs()), outputs, strict=True))

    def rebuild(self, reference: dict[str, Any], tokens: Tokens) -> Pictures:
        """See `Network.rebuild`."""
        rebuild = partial(self._rebuild, reference)
        parts: list[Pictures] = []
        for n in range(0, len(tokens), self.batch):
            batch = tokens[n : n + self.batch]
            parts += shared_out(self._workers, self._shares, rebuild, batch)
        return np.concatenate(parts)

    def _rebuild(self, reference: dict[str, Any], tokens: Tokens) -> Pictures:
        inputs = {n: reference[n] for n in _names(self._frames.get_inputs()) if n != "token"}
        inputs["token"] = self._quantiser.dequantise(tokens)
        pictures: Pictures = self._frames.run(None, inputs)[0]
        return pictures


def _names(ports: Any) -> list[str]:
    return [port.name for port in ports]


def _session(weights: WeightsFile, device: str, name: str, threads: int) -> Any:
    """A graph that is ready to run."""
    path = weights.path / name
    try:
        import onnxruntime
    except ImportError as error:
        raise OptionError(
            "the engine onnxruntime is not installed; the extra onnx brings it: "
            "pip install 'imfcodec[onnx]'"
        ) from error
    kind, _, number = device.partition(":")
    provider = PROVIDERS.get(kind)
    if provider not in onnxruntime.get_available_providers():
        raise OptionError(f"device {device!r} is not available to onnxruntime")
    settings = onnxruntime.SessionOptions()
    settings.log_severity_level = 4  # errors are raised as well
    settings.intra_op_num_threads = threads
    # Threads that spin while they wait take time from other processes. An arena keeps its largest
    # size for ever.
    settings.add_session_config_entry("session.intra_op.allow_spinning", "0")
    settings.enable_cpu_mem_arena = False
    place = {"device_id": number} if number else {}
    try:
        session = onnxruntime.InferenceSession(str(path), settings, providers=[(provider, place)])
        belongs_to = session.get_modelmeta().custom_metadata_map.get("weights")
    except Exception as error:  # onnxruntime has no base class of its errors
        raise WeightsCorrupt(f"{path} is not a usable graph: {error}") from error
    if belongs_to != weights.id.hex():
        raise WeightsCorrupt(f"{path} belongs to weights {belongs_to}, not {weights.id.hex()}")
    return session


def _cores() -> int:
    # The process may be confined to fewer cores than the machine has.
    return len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1
