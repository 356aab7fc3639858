"""Graphs in onnxruntime."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

from imfcodec.errors import OptionError, WeightsCorrupt

PROVIDERS = {"cpu": "CPUExecutionProvider", "cuda": "CUDAExecutionProvider"}
"""What onnxruntime calls the devices."""


class OnnxGraph:
    """A graph that is ready to run (see `graphs.Graph`)."""

    def __init__(self, path: Path, device: str, threads: int, calls: int) -> None:
        """See `graphs.Load`."""
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
        settings.intra_op_num_threads = threads // calls
        # Threads that spin while they wait take time from other processes. An arena keeps its
        # largest size for ever.
        settings.add_session_config_entry("session.intra_op.allow_spinning", "0")
        settings.enable_cpu_mem_arena = False
        providers = [(provider, {"device_id": number} if number else {})]
        try:
            self._session = onnxruntime.InferenceSession(str(path), settings, providers=providers)
        except Exception as error:  # onnxruntime has no base class of its errors
            raise WeightsCorrupt(f"{path} is not a usable graph: {error}") from error

    def __call__(self, inputs: Mapping[str, Any]) -> dict[str, Any]:
        """See `graphs.Graph`."""
        taken = {port.name: inputs[port.name] for port in self._session.get_inputs()}
        names = (port.name for port in self._session.get_outputs())
        return dict(zip(names, self._session.run(None, taken), strict=True))
