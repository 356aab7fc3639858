"""The network in onnxruntime, from exported weights."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

from imfcodec.codec.network.graphs import SIDE_BY_SIDE, GraphNetwork
from imfcodec.codec.network.sharing import cores, sharing
from imfcodec.codec.tokens import Quantiser
from imfcodec.config import DecodeOptions
from imfcodec.errors import OptionError, WeightsCorrupt

if TYPE_CHECKING:
    from imfcodec.weights import ExportedWeights

PROVIDERS = {"cpu": "CPUExecutionProvider", "cuda": "CUDAExecutionProvider"}
"""What onnxruntime calls the devices."""


class OnnxNetwork(GraphNetwork):
    """The network in onnxruntime.

    On a CPU, each thread works on frames of its own, but all together on a key frame.
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
            WeightsCorrupt: onnxruntime cannot use a graph.
        """
        threads = options.threads or cores()

        def load(path: Path) -> _Graph:
            return _Graph(path, options.device, 1 if path.stem in SIDE_BY_SIDE else threads)

        shares = sharing(threads, options.batch, on_cpu=options.device == "cpu")
        super().__init__(weights, quantiser, shares, load)


class _Graph:
    """A graph that is ready to run (see `graphs.Graph`)."""

    def __init__(self, path: Path, device: str, threads: int) -> None:
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
        taken = {port.name: inputs[port.name] for port in self._session.get_inputs()}
        names = (port.name for port in self._session.get_outputs())
        return dict(zip(names, self._session.run(None, taken), strict=True))
