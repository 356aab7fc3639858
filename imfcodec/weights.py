"""Weights files: find, verify, load and write them.

A weights file is one safetensors file NAME-SHA8.safetensors: ``model.*`` in float16,
``entropy.*`` integer tables, and in its metadata the `ModelConfig` and the entropy model's id. SHA8
is the first four bytes of the file's sha256 in hexadecimal. These bytes are the id by which a
stream names the file.

Exported weights are a folder NAME-SHA8.KIND with the network as graphs, GRAPH.KIND, and the tables
(`imfcodec.codec.network.export`). KIND is onnx or mnn. Nothing in the folder needs torch.
"""

from __future__ import annotations

import hashlib
import os
import re
import zlib
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from imfcodec.config import ModelConfig, parsed_json
from imfcodec.errors import WeightsCorrupt, WeightsMissing

if TYPE_CHECKING:  # torch takes seconds to import, and finding a file needs none of it
    from torch import Tensor

    from imfcodec.codec.tokens import EntropyModel
    from imfcodec.model.imf import IMF

FORMAT = "imfcodec-weights-1"
DEFAULT_ENTROPY_MODEL = "contexts"  # of files that name none
FOLDER_VARIABLE = "IMFCODEC_WEIGHTS"
SUFFIX = ".safetensors"
_NAME = re.compile(r"(?P<name>.+)-(?P<id>[0-9a-f]{8})")

EXPORTED_FORMAT = "imfcodec-exported-2"
TABLES = "tables.safetensors"


@dataclass(frozen=True)
class WeightsFile:
    """A weights file, or a folder of exported weights, that was found.

    Attributes:
        name: File name without the id, for example ``fast``.
        id: The first four bytes of the file's sha256.
        path: Path of the file or the folder.
    """

    name: str
    id: bytes
    path: Path

    @property
    def label(self) -> str:
        """Name and id, as reports show them."""
        return f"{self.name}-{self.id.hex()}"


@dataclass(frozen=True)
class Weights:
    """A verified, loaded set of weights.

    Attributes:
        file: The file that was loaded.
        model: The network in evaluation mode, float32, no gradients.
        tables: Quantisation and entropy tables.
    """

    file: WeightsFile
    model: IMF
    tables: EntropyModel


@dataclass(frozen=True)
class ExportedWeights:
    """Exported weights: the tables are loaded, the graphs are not.

    Attributes:
        file: The folder.
        tables: Quantisation and entropy tables.
        graphs: Files of the graphs, which are intact.
    """

    file: WeightsFile
    tables: EntropyModel
    graphs: tuple[Path, ...]


def folders() -> list[Path]:
    """Folders that are searched for weights; the first match wins.

    These are the folder that IMFCODEC_WEIGHTS names, the user's data folder, the folder in the
    wheel, and ``weights/`` in the checkout.
    """
    package = Path(__file__).parent
    data_home = user_folder("XDG_DATA_HOME", ".local/share")
    chosen = os.environ.get(FOLDER_VARIABLE)
    return [
        *([Path(chosen)] if chosen else []),
        *([data_home / "imfcodec" / "weights"] if data_home else []),
        package / "released_weights",
        package.parent / "weights",
    ]


def user_folder(variable: str, default: str) -> Path | None:
    """A folder of the user's, by the XDG base directory specification.

    Args:
        variable: Of the environment that names it.
        default: Its path in the home folder.

    Returns:
        The folder, which need not exist; None if the user has no home folder.
    """
    named = Path(os.environ.get(variable, ""))
    if named.is_absolute():
        return named
    try:
        return Path.home() / default
    except RuntimeError:  # no HOME, and no such user
        return None


def available(exported: str | None = None) -> list[WeightsFile]:
    """Every weights file in `folders`, each id once, sorted by name within a folder.

    Args:
        exported: List weights that are exported as this kind of graphs instead.
    """
    found: dict[bytes, WeightsFile] = {}
    for folder in folders():
        try:
            paths = sorted(folder.glob(f"*.{exported}" if exported else f"*{SUFFIX}"))
        except OSError:  # a folder that may not be read
            continue
        for path in paths:
            if file := _named(path, exported):
                found.setdefault(file.id, file)
    return list(found.values())


def _named(path: Path, exported: str | None = None) -> WeightsFile | None:
    """What the name of a file or folder says; None if it is another kind of name."""
    match = _NAME.fullmatch(path.stem)
    if path.suffix != (f".{exported}" if exported else SUFFIX):
        return None
    return WeightsFile(match["name"], bytes.fromhex(match["id"]), path) if match else None


def find_by_id(weights_id: bytes, exported: str | None = None) -> WeightsFile:
    """The weights that a stream names.

    Args:
        weights_id: Of the stream's header.
        exported: Look for weights that are exported as this kind of graphs.

    Raises:
        WeightsMissing: None of the folders has them.
    """
    for file in available(exported):
        if file.id == weights_id:
            return file
    user = user_folder("XDG_DATA_HOME", ".local/share")
    place = user / "imfcodec" / "weights" if user else "a folder of yours"
    if exported:
        raise WeightsMissing(
            f"the stream needs weights {weights_id.hex()}, which are not exported as {exported}; "
            f"imfcodec weights export {weights_id.hex()} --{exported} DIR exports them where torch "
            f"and they are installed; DIR may be {place} or the folder that {FOLDER_VARIABLE} names"
        )
    raise WeightsMissing(
        f"the stream needs weights {weights_id.hex()}, which are not installed; put "
        f"NAME-{weights_id.hex()}.safetensors into {place} or into the folder that "
        f"{FOLDER_VARIABLE} names"
    )


def find(
    choice: str | None, *, exported: str | None = None, preset: str | None = None
) -> WeightsFile:
    """The weights that a user names by path, id or name.

    Args:
        choice: The user's. None takes those for the preset, if a manifest names them, or the
            default.
        exported: Look for weights that are exported as this kind of graphs; the path is that of a
            folder.
        preset: Of the sender.

    Raises:
        WeightsMissing: There are none.
    """
    if choice is not None:
        path = Path(choice)
        if exported and path.is_dir() and (file := _named(path.resolve(), exported)):
            return file
        if not exported and path.suffix == SUFFIX:
            if not path.is_file():
                raise WeightsMissing(f"there is no file {path}")
            if file := _named(path):
                return file
            raise WeightsMissing(f"{path.name} is not named NAME-SHA8.safetensors")
    files = available(exported)
    wanted = choice if choice is not None else _marked_id(preset)
    for file in files:
        if wanted in (file.name, file.id.hex()):
            return file
    listing = ", ".join(f"{f.name} ({f.id.hex()})" for f in files) or "none"
    kind = f"exported as {exported}" if exported else "installed"
    raise WeightsMissing(f"no weights {wanted or 'marked as default'}; {kind}: {listing}")


def load_exported(file: WeightsFile) -> ExportedWeights:
    """Load the tables of exported weights and check the graphs; needs no torch.

    Raises:
        WeightsCorrupt: A part is damaged, or of other weights.
        WeightsMissing: A part cannot be read.
    """
    from safetensors import SafetensorError, safe_open

    path = file.path / TABLES
    try:
        with safe_open(path, framework="np") as content:
            metadata = content.metadata() or {}
            arrays = {name: content.get_tensor(name) for name in content.keys()}  # noqa: SIM118
    except OSError as error:
        raise WeightsMissing(f"cannot read {path}: {error}") from error
    except (SafetensorError, ValueError, TypeError) as error:
        raise WeightsCorrupt(f"{path} is not a safetensors file: {error}") from error
    if metadata.get("format") != EXPORTED_FORMAT:
        raise WeightsCorrupt(f"{path} is not in format {EXPORTED_FORMAT}")
    if metadata.get("weights") != file.id.hex():
        raise WeightsCorrupt(f"{path} belongs to weights {metadata.get('weights')}")
    sums = {k: v for k, v in metadata.items() if k.endswith(file.path.suffix)}
    graphs = tuple(file.path / name for name in sums)
    for graph in graphs:
        if checksum(graph) != sums[graph.name]:
            raise WeightsCorrupt(f"{graph} is damaged, or of other weights")
    return ExportedWeights(file, _tables(path, metadata, arrays), graphs)


def checksum(graph: Path) -> str:
    """The CRC-32 of a file, in hexadecimal.

    Raises:
        WeightsMissing: It cannot be read.
    """
    try:
        return f"{zlib.crc32(graph.read_bytes()):08x}"
    except OSError as error:
        raise WeightsMissing(f"cannot read {graph}: {error}") from error


def _tables(path: Path, metadata: dict[str, str], arrays: dict[str, Any]) -> EntropyModel:
    """The tables of a file, from its metadata and arrays.

    Raises:
        WeightsCorrupt: They cannot be used.
    """
    from imfcodec.codec.tokens import ENTROPY_MODELS

    entropy = metadata.get("entropy", DEFAULT_ENTROPY_MODEL)
    if entropy not in ENTROPY_MODELS:
        raise WeightsCorrupt(f"{path} needs a newer imfcodec: entropy model {entropy!r}")
    try:
        return ENTROPY_MODELS[entropy].from_arrays(arrays)
    except Exception as error:  # whatever numpy makes of sizes and types that are wrong
        raise WeightsCorrupt(f"{path} does not hold usable tables: {error}") from error


def load(file: WeightsFile) -> Weights:
    """Verify a file's sha256 against its id and load it.

    Raises:
        WeightsCorrupt: The hash differs, or the content is not that of a weights file.
        WeightsMissing: The file cannot be read.
    """
    from safetensors import SafetensorError, safe_open

    from imfcodec.model.blank import blank

    _verify(file)
    try:
        with safe_open(file.path, framework="pt") as content:  # maps the file
            metadata = content.metadata() or {}
            tensors = {name: content.get_tensor(name) for name in content.keys()}  # noqa: SIM118
    except (SafetensorError, OSError, ValueError) as error:
        raise WeightsCorrupt(f"{file.path} is not a safetensors file: {error}") from error
    if metadata.get("format") != FORMAT:
        raise WeightsCorrupt(f"{file.path} is not in format {FORMAT}")
    config = ModelConfig.from_json(metadata.get("config", ""))
    try:
        model = blank(config)  # sizes are compared before memory is taken
        stored = under("model.", tensors)
        if {k: v.shape for k, v in model.state_dict().items()} != {
            k: v.shape for k, v in stored.items()
        }:
            raise WeightsCorrupt(f"{file.path} does not fit its own configuration")
        model.load_state_dict({k: _in_float32(v) for k, v in stored.items()}, assign=True)
        # A copy: the file is not to stay mapped.
        arrays = {k: v.numpy().copy() for k, v in under("entropy.", tensors).items()}
    except WeightsCorrupt:
        raise
    except Exception as error:  # whatever torch and numpy make of sizes and types that are wrong
        raise WeightsCorrupt(f"{file.path} does not fit its own configuration: {error}") from error
    tables = _tables(file.path, metadata, arrays)
    if tables.token_size != model.config.token_size:
        raise WeightsCorrupt(f"{file.path} has tables for another token size")
    return Weights(file, model.eval().requires_grad_(False), tables)


def _verify(file: WeightsFile) -> None:
    """Compare a file's sha256 with its id.

    Raises:
        WeightsCorrupt: They differ.
        WeightsMissing: The file cannot be read.
    """
    try:
        with file.path.open("rb") as content:
            digest = hashlib.file_digest(content, "sha256").digest()
    except OSError as error:
        raise WeightsMissing(f"cannot read {file.path}: {error}") from error
    if not digest.startswith(file.id):
        raise WeightsCorrupt(
            f"{file.path} has sha256 {digest.hex()[:8]}..., but its name says {file.id.hex()}"
        )


def _in_float32(x: Tensor) -> Tensor:
    """A copy in memory of its own, in the memory format that convolutions need."""
    import torch

    form = torch.channels_last if x.ndim == 4 else torch.contiguous_format
    return x.to(torch.float32, copy=True, memory_format=form)


def load_weights(choice: str | None = None, preset: str | None = None) -> Weights:
    """Load weights once, for any number of calls of `encode` and `decode`.

    Args:
        choice: Name, id or path; None takes those for the preset, or the default weights.
        preset: Of the encoder.

    Raises:
        WeightsMissing, WeightsCorrupt: They cannot be used.
    """
    return load(find(choice, preset=preset))


def write(folder: Path, name: str, model: IMF, tables: EntropyModel) -> WeightsFile:
    """Store weights as NAME-SHA8.safetensors.

    Raises:
        OSError: The folder cannot be written.
    """
    import torch
    from safetensors.torch import save

    tensors = {
        f"model.{k}": (v.half() if v.dtype == torch.float32 else v).contiguous()
        for k, v in model.state_dict().items()
    }
    tensors |= {
        f"entropy.{k}": torch.from_numpy(v).contiguous() for k, v in tables.to_arrays().items()
    }
    data = save(tensors, {"format": FORMAT, "entropy": tables.id, "config": model.config.to_json()})
    weights_id = hashlib.sha256(data).digest()[:4]
    path = folder / f"{name}-{weights_id.hex()}.safetensors"
    folder.mkdir(parents=True, exist_ok=True)
    path.write_bytes(data)
    return WeightsFile(name, weights_id, path)


def under(prefix: str, tensors: dict[str, Tensor]) -> dict[str, Tensor]:
    """The tensors whose names begin with a prefix; the prefix is removed."""
    return {k.removeprefix(prefix): v for k, v in tensors.items() if k.startswith(prefix)}


def _marked_id(preset: str | None) -> str | None:
    """The id that the first manifest with a default marks for a preset, or as the default."""
    for folder in folders():
        try:
            manifest = parsed_json((folder / "manifest.json").read_bytes())
        except (OSError, ValueError):
            continue
        entries = manifest.get("weights") if isinstance(manifest, dict) else None
        listed = [e for e in entries if isinstance(e, dict)] if isinstance(entries, list) else []
        default = next((e["id"] for e in listed if e.get("default") and "id" in e), None)
        if default is not None:
            own = (e["id"] for e in listed if "id" in e and preset in e.get("presets", ()))
            return str(next(own, default))
    return None
