"""The network as exported graphs, whatever runs them."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from concurrent.futures import ThreadPoolExecutor
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from imfcodec.arrays import Picture, Pictures, Tokens
from imfcodec.codec.network import STRENGTHS
from imfcodec.codec.network.sharing import cores, shared_out, sharing
from imfcodec.codec.tokens import Quantiser
from imfcodec.config import DecodeOptions

if TYPE_CHECKING:
    from imfcodec.weights import ExportedWeights

Graph = Callable[[Mapping[str, Any]], dict[str, Any]]
"""Arrays by name -> arrays by name. It takes those that it needs. Several threads may call it at
the same time."""

Load = Callable[[Path, str, int, int], Graph]
"""How an engine makes a graph of its file: for a device, with so many threads in all, of which so
many call it at the same time. It raises `OptionError` if engine or device is not there, and another
`ImfcodecError` if it cannot use the file."""

RESTORE, RESTORE_ONCE, REFERENCE, REBUILD = "restore", "restore_once", "reference", "rebuild"

SIDE_BY_SIDE = RESTORE_ONCE, REBUILD
"""Graphs of which each thread works on pictures of its own."""


class GraphNetwork:
    """The network as graphs (see `Network`).

        restore        picture, share -> restored
        restore_once   the same, with the first pass alone
        reference      picture, token -> everything that rebuild takes besides tokens
        rebuild        token, ... -> picture

    Pictures are uint8 [N, H, W, 3] there, tokens float32 [N, d_m]. Without restore, pictures are
    used as they are. Without restore_once, restore has one pass. Each thread works on frames of its
    own, but all together on a key frame.
    """

    def __init__(
        self,
        weights: ExportedWeights,
        quantiser: Quantiser,
        options: DecodeOptions,
        load: Load,
    ) -> None:
        """Load the graphs.

        Args:
            weights: Where they are.
            quantiser: Of the stream's tokens.
            options: Device, threads and batch.
            load: Makes a graph of its file.

        Raises:
            ImfcodecError: See `Load`.
        """
        device, threads = options.device, options.threads or cores()
        self._shares, self.batch, self.side_by_side = sharing(
            threads, options.batch, on_cpu=device == "cpu"
        )
        self._workers = ThreadPoolExecutor(self._shares, "imfcodec-network")
        self.warnings: list[str] = []
        self._quantiser = quantiser
        graphs = {
            path.stem: load(path, device, threads, threads if path.stem in SIDE_BY_SIDE else 1)
            for path in weights.graphs
        }
        self._restore = graphs.get(RESTORE)
        self._restore_once = graphs.get(RESTORE_ONCE, self._restore)
        self._refer, self._rebuild = graphs[REFERENCE], graphs[REBUILD]

    def restore(self, picture: Picture, restoration: int = 0) -> Picture:
        """See `Network.restore`."""
        return _restored(self._restore, picture, restoration)

    def restore_once(self, picture: Picture, restoration: int = 0) -> Picture:
        """See `Network.restore_once`."""
        return _restored(self._restore_once, picture, restoration)

    def reference(self, picture: Picture, token: Tokens) -> dict[str, Any]:
        """See `Network.reference`: what the graph reference gives, by name."""
        inputs = {"picture": picture[None], "token": self._quantiser.dequantise(token[None])}
        return self._refer(inputs)

    def rebuild(self, reference: dict[str, Any], tokens: Tokens) -> Pictures:
        """See `Network.rebuild`."""
        rebuild = partial(self._rebuilt, reference)
        parts: list[Pictures] = []
        for n in range(0, len(tokens), self.batch):
            batch = tokens[n : n + self.batch]
            parts += shared_out(self._workers, self._shares, rebuild, batch)
        return np.concatenate(parts)

    def _rebuilt(self, reference: dict[str, Any], tokens: Tokens) -> Pictures:
        inputs = {**reference, "token": self._quantiser.dequantise(tokens)}
        pictures: Pictures = self._rebuild(inputs)["picture"]
        return pictures


def _restored(graph: Graph | None, picture: Picture, restoration: int) -> Picture:
    share = STRENGTHS[restoration]
    if graph is None or not share:
        return picture
    inputs = {"picture": picture[None], "share": np.full(1, share, np.float32)}
    restored: Picture = graph(inputs)["restored"][0]
    return restored
