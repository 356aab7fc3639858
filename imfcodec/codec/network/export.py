"""Writes the receiver's network as graphs (`graphs`), for onnxruntime or MNN.

torch follows the network over an example, so any network that it can follow is exported. The
example has a size and a shape that no map of the network has by itself: sizes that are equal there
are equal everywhere.
"""

from __future__ import annotations

import logging
import shutil
import subprocess
import sys
import tempfile
import warnings as python_warnings
from collections.abc import Callable, Iterator, Mapping
from importlib.util import find_spec
from pathlib import Path
from typing import Any, Final

import numpy as np
import torch
from torch import Tensor, nn

from imfcodec.arrays import Picture
from imfcodec.codec.network import ENGINES, EXPORTED, MNN, MODULES, ONNX, STRENGTHS
from imfcodec.codec.network.graphs import REBUILD, REFERENCE, RESTORE, RESTORE_ONCE
from imfcodec.codec.network.in_torch import TorchNetwork
from imfcodec.config import DecodeOptions
from imfcodec.errors import ImfcodecError, OptionError, OutputExists
from imfcodec.model.imf import IMF
from imfcodec.weights import (
    EXPORTED_FORMAT,
    TABLES,
    Weights,
    WeightsFile,
    checksum,
    load_exported,
)

EXAMPLE: Final = (96, 160)
OTHER: Final = (160, 224)
"""Height and width of the example, and of another one that differs in every map."""

CHECKED: Final = (EXAMPLE, (64, 64), (256, 256))
"""Sizes at which the graphs are compared with torch."""

MOST_LEVELS, MOST_RMS_LEVELS = 2, 0.25
"""The format's tolerance (FORMAT.md, section 9)."""

OPSET: Final = 17


def export(
    weights: Weights, folder: Path, engine: str = ONNX, *, overwrite: bool = False
) -> WeightsFile:
    """Write DIR/NAME-SHA8.KIND with the graphs and the tables, and compare it with torch.

    Args:
        weights: What to export.
        folder: DIR; it is created if it is missing.
        engine: What is to run the graphs, a key of `EXPORTED`.
        overwrite: Whether to replace an earlier export.

    Returns:
        The new folder.

    Raises:
        OptionError: The extra of that engine is not installed.
        OutputExists: There is an earlier export.
        ImfcodecError: The graphs rebuild other pictures than torch.
        OSError: The folder cannot be written.
    """
    kind = EXPORTED[engine]
    for module in ("onnx", MODULES[engine]):
        if not find_spec(module):
            raise OptionError(f"{module} is not installed: pip install 'imfcodec[{kind}]'")
    target = folder / f"{weights.file.label}.{kind}"
    if target.exists() and not overwrite:
        raise OutputExists(f"{target} exists already; use --overwrite to replace it")
    folder.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory(dir=folder, prefix=".") as temporary:
        made = Path(temporary) / target.name
        made.mkdir()
        _write_graphs(weights.model, made)
        for graph in sorted(made.glob("*.onnx")):
            FINISHERS[engine](graph)
        _write_tables(weights, made)
        _compare(weights, WeightsFile(weights.file.name, weights.file.id, made), engine)
        if target.exists():
            shutil.rmtree(target)
        made.rename(target)
    return WeightsFile(weights.file.name, weights.file.id, target)


class _Restore(nn.Module):
    """A key frame x, uint8 [1, H, W, 3], and the share s of R, [1] -> x_r."""

    def __init__(self, run: Callable[[Tensor], Tensor]) -> None:
        super().__init__()
        self.run = run

    def forward(self, picture: Tensor, share: Tensor) -> Tensor:
        x = _floats(picture)
        return _bytes(torch.lerp(x, self.run(x), share))


class _Refer(nn.Module):
    """x_r, uint8 [1, H, W, 3], and t_r [1, d_m] -> the leaves of a `Reference`."""

    def __init__(self, model: IMF) -> None:
        super().__init__()
        self.model = model

    def forward(self, picture: Tensor, token: Tensor) -> tuple[Tensor, ...]:
        return tuple(_leaves(self.model.reference(_floats(picture), token)))


class _Rebuild(nn.Module):
    """Tokens [N, d_m] and the leaves of a `Reference` -> uint8 [N, H, W, 3]."""

    def __init__(self, model: IMF, like: Any) -> None:
        super().__init__()
        self.model, self._like = model, like

    def forward(self, token: Tensor, *leaves: Tensor) -> Tensor:
        reference = _grown(self._like, iter(leaves)).expand(token.shape[0])
        return _bytes(self.model.reconstruct(token, reference).picture)


def _floats(pictures: Tensor) -> Tensor:
    return pictures.permute(0, 3, 1, 2).float() / 255


def _bytes(x: Tensor) -> Tensor:
    return x.mul(255).round().clamp(0, 255).to(torch.uint8).permute(0, 2, 3, 1)


def _leaves(part: Any) -> list[Tensor]:
    """The tensors in nested tuples, in order."""
    return [part] if isinstance(part, Tensor) else [x for p in part for x in _leaves(p)]


def _grown(like: Any, leaves: Iterator[Tensor]) -> Any:
    """Nested tuples of the same kinds, with other tensors."""
    if isinstance(like, Tensor):
        return next(leaves)
    parts = [_grown(part, leaves) for part in like]
    return type(like)(*parts) if hasattr(like, "_fields") else tuple(parts)


@torch.inference_mode()
def _write_graphs(model: IMF, folder: Path) -> None:
    """Write GRAPH.onnx for each graph, as torch makes it."""
    picture, larger = (torch.zeros(1, *size, 3, dtype=torch.uint8) for size in (EXAMPLE, OTHER))
    token = torch.zeros(2, model.config.token_size)
    like = model.reference(_floats(picture), token[:1])
    others = _leaves(model.reference(_floats(larger), token[:1]))
    leaves = {f"reference{n}": leaf for n, leaf in enumerate(_leaves(like))}
    sides = {"picture": {1: "height", 2: "width"}}
    maps = {
        name: {n: f"{name}_{n}" for n, size in enumerate(leaf.shape) if size != other.shape[n]}
        for (name, leaf), other in zip(leaves.items(), others, strict=True)
    }

    def write(
        name: str,
        module: nn.Module,
        inputs: Mapping[str, Tensor],
        outputs: Mapping[str, dict[int, str]],
        axes: Mapping[str, dict[int, str]],
    ) -> None:
        """Write a graph; ``outputs`` and ``axes`` name the axes that vary."""
        with python_warnings.catch_warnings():
            python_warnings.simplefilter("ignore")  # about numbers that are taken from the example
            torch.onnx.export(
                module.eval(),
                tuple(inputs.values()),
                str(folder / f"{name}.onnx"),
                dynamo=False,
                opset_version=OPSET,
                input_names=[*inputs],
                output_names=[*outputs],
                dynamic_axes={**axes, **outputs},
            )

    if model.restoration is not None:
        taken = {"picture": picture, "share": torch.ones(1)}
        restored = {"restored": {1: "height", 2: "width"}}
        write(RESTORE, _Restore(model.restoration), taken, restored, sides)
        if model.restoration.again is not None:
            write(RESTORE_ONCE, _Restore(model.restoration.once), taken, restored, sides)
    write(REFERENCE, _Refer(model), {"picture": picture, "token": token[:1]}, maps, sides)
    rebuilt = {"picture": {0: "frames", 1: "height", 2: "width"}}
    axes = {"token": {0: "frames"}, **maps}
    write(REBUILD, _Rebuild(model, like), {"token": token, **leaves}, rebuilt, axes)


def _simplify(graph: Path) -> None:
    """Compute what can be computed beforehand; every decoder would otherwise spend 0.3 s on it."""
    import onnxruntime

    settings = onnxruntime.SessionOptions()
    settings.log_severity_level = 4  # errors are raised as well
    settings.graph_optimization_level = onnxruntime.GraphOptimizationLevel.ORT_ENABLE_BASIC
    settings.optimized_model_filepath = str(graph)
    onnxruntime.InferenceSession(str(graph), settings, providers=["CPUExecutionProvider"])


def _convert(graph: Path) -> None:
    """Replace a graph by one for MNN.

    MNN's converter prints to stdout. Its command also reports to its makers what was converted;
    the function behind it does not.
    """
    words = ["-f", "ONNX", "--modelFile", str(graph), "--bizCode", "imfcodec"]
    words += ["--MNNModel", str(graph.with_suffix(".mnn"))]
    code = "import sys, _tools; _tools.mnnconvert(sys.argv)"
    done = subprocess.run([sys.executable, "-c", code, *words], capture_output=True, check=False)
    if done.returncode or not graph.with_suffix(".mnn").exists():
        said = (done.stdout + done.stderr).decode(errors="replace").strip()
        raise ImfcodecError(f"MNN cannot convert {graph.name}: {said[-500:]}")
    graph.unlink()


FINISHERS: Final[dict[str, Callable[[Path], None]]] = {ONNX: _simplify, MNN: _convert}
"""What makes of a graph as torch writes it one for an engine."""


def _write_tables(weights: Weights, folder: Path) -> None:
    """Write the tables and, in their metadata, the checksums of the graphs."""
    from safetensors.numpy import save_file

    labels = {"format": EXPORTED_FORMAT, "weights": weights.file.id.hex()}
    sums = {graph.name: checksum(graph) for graph in folder.iterdir()}
    tables = weights.tables
    save_file(tables.to_arrays(), folder / TABLES, {**labels, "entropy": tables.id, **sums})


def _compare(weights: Weights, exported: WeightsFile, engine: str) -> None:
    """Rebuild the same pictures with both.

    Raises:
        ImfcodecError: They differ by more than the format allows.
    """
    theirs = ENGINES[engine](load_exported(exported), 0, DecodeOptions(batch=3))
    ours = TorchNetwork(weights.model, weights.tables.quantiser(0), batch=3)
    rng = np.random.default_rng(0)
    for size in CHECKED:
        picture = _smooth(rng, size)
        tokens = rng.integers(-3, 4, (5, weights.model.config.token_size)).astype(np.int32)
        pairs = [
            (
                theirs.rebuild(theirs.reference(picture, tokens[0]), tokens),
                ours.rebuild(ours.reference(picture, tokens[0]), tokens),
            )
        ]
        for restoration in range(len(STRENGTHS)):
            pairs.append((theirs.restore(picture, restoration), ours.restore(picture, restoration)))
            once = theirs.restore_once(picture, restoration)
            pairs.append((once, ours.restore_once(picture, restoration)))
        for one, other in pairs:
            error = np.abs(one.astype(np.float32) - other)
            rms = float(np.sqrt(np.square(error).mean()))
            logging.getLogger(__name__).debug("%s: %g, %g RMS", size, error.max(), rms)
            if error.max() > MOST_LEVELS or rms > MOST_RMS_LEVELS:
                raise ImfcodecError(
                    f"the graphs differ from the network by {rms:.2f} levels RMS at "
                    f"{size[1]}x{size[0]}: nothing is written"
                )


def _smooth(rng: np.random.Generator, size: tuple[int, int]) -> Picture:
    """A picture like a photograph: patches of colour with soft edges."""
    coarse = torch.from_numpy(rng.random((1, 3, *(side // 16 for side in size)), np.float32))
    return _bytes(nn.functional.interpolate(coarse, size, mode="bilinear"))[0].numpy()
