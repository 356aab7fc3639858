"""The receiver's network, whatever runs it: a reference and tokens in, pictures out.

in_torch.py   torch; needs a weights file
graphs.py     graphs, which `imfcodec weights export` writes
in_mnn.py     such a graph in MNN
in_onnx.py    such a graph in onnxruntime
export.py     writes the graphs
sharing.py    how many frames are rebuilt together, and by whom

Nothing of an engine is imported before it is used.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING, Any, Protocol

from imfcodec.arrays import Picture, Pictures, Tokens
from imfcodec.config import DecodeOptions

if TYPE_CHECKING:  # weights use this room
    from imfcodec.weights import ExportedWeights, Weights

STRENGTHS = (1.0, 0.75, 0.5, 0.0)
"""Restoration strength s, by the field ``restoration`` of key packets: x_r = x + s (R(x) - x).
These values are part of the format."""


class Network(Protocol):
    """What a receiver needs of the network, whatever runs it.

        key picture ─ restore ─ x_r ─ reference ─┐
        tokens ──────────────────────────────────┴─ rebuild ─ pictures

    A frame depends only on the reference and its own token, so frames may be rebuilt in any
    batches, and several threads may call at the same time.

    Attributes:
        batch: Frames that are best rebuilt together.
        side_by_side: Batches that are best rebuilt at the same time.
        warnings: What the user should know of.
    """

    batch: int
    side_by_side: int
    warnings: list[str]

    def restore(self, picture: Picture, restoration: int = 0) -> Picture:
        """Restore a decoded key frame to the reference x_r; both are RGB uint8 [H, W, 3].

        Args:
            picture: The key frame as its codec decodes it.
            restoration: Field of the key packet, an index of `STRENGTHS`.
        """
        ...

    def restore_once(self, picture: Picture, restoration: int = 0) -> Picture:
        """Like `restore`, with the first pass of R alone. Pictures may be restored side by side."""
        ...

    def reference(self, picture: Picture, token: Tokens) -> Any:
        """What `rebuild` needs of a restored key frame x_r, uint8 [H, W, 3], and its token [d_m].

        Each engine has a form of its own.
        """
        ...

    def rebuild(self, reference: Any, tokens: Tokens) -> Pictures:
        """Tokens of frames, int32 [N, d_m] -> RGB uint8 [N, H, W, 3] at coded size."""
        ...


def _in_torch(weights: Weights, quantiser: int, options: DecodeOptions) -> Network:
    from imfcodec.codec.network.in_torch import TorchNetwork

    step = weights.tables.quantiser(quantiser)
    return TorchNetwork(weights.model, step, options.device, options.batch, options.threads)


def _in_onnx(weights: ExportedWeights, quantiser: int, options: DecodeOptions) -> Network:
    from imfcodec.codec.network.graphs import GraphNetwork
    from imfcodec.codec.network.in_onnx import OnnxGraph

    return GraphNetwork(weights, weights.tables.quantiser(quantiser), options, OnnxGraph)


def _in_mnn(weights: ExportedWeights, quantiser: int, options: DecodeOptions) -> Network:
    from imfcodec.codec.network.graphs import GraphNetwork
    from imfcodec.codec.network.in_mnn import MnnGraph

    return GraphNetwork(weights, weights.tables.quantiser(quantiser), options, MnnGraph)


AUTO, TORCH, ONNX, MNN = "auto", "torch", "onnxruntime", "mnn"

ENGINES: dict[str, Callable[[Any, int, DecodeOptions], Network]] = {
    TORCH: _in_torch,
    ONNX: _in_onnx,
    MNN: _in_mnn,
}
"""What runs the network, by name. Each takes the weights, the stream's quantiser step, and the
options. The weights are `ExportedWeights` for those of `EXPORTED`."""

EXPORTED = {MNN: "mnn", ONNX: "onnx"}
"""The kind of graphs that an engine runs, the fastest engine first."""

MODULES = {MNN: "MNN", ONNX: "onnxruntime"}
"""The Python module of such an engine."""
