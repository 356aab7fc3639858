"""The state of a run: weights, averages, optimiser states. Safetensors and JSON."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import torch
from safetensors import SafetensorError, safe_open
from safetensors.torch import load_file
from torch import Tensor, nn

from imfcodec.errors import InputUnreadable
from imfcodec.training.tensor_file import write_tensors
from imfcodec.training.trainee import Trainee
from imfcodec.weights import under

EMA_FILE = "ema.safetensors"
STATE_FILE = "state.safetensors"
R = "imf.restoration."
"""What the names of R's weights begin with."""


def save_state(
    folder: Path,
    modules: dict[str, nn.Module],
    optimisers: dict[str, torch.optim.Optimizer],
    numbers: dict[str, float],
) -> None:
    """Write everything, so that a crash or a full disk leaves the old checkpoint whole.

    The weights of the module called "ema" also go into a file of their own, for export.

    Raises:
        OutputFailed: The disk is full or the folder cannot be written.
    """
    tensors: dict[str, Tensor] = {}
    for name, module in modules.items():
        tensors |= {f"{name}/{k}": v for k, v in module.state_dict().items()}
    for name, optimiser in optimisers.items():
        for index, state in optimiser.state_dict()["state"].items():
            tensors |= {f"{name}/{index}/{k}": torch.as_tensor(v) for k, v in state.items()}
    metadata = {"numbers": json.dumps(numbers)}
    write_tensors(folder / EMA_FILE, modules["ema"].state_dict())
    write_tensors(folder / STATE_FILE, tensors, metadata)


def load_state(
    folder: Path,
    modules: dict[str, nn.Module],
    optimisers: dict[str, torch.optim.Optimizer],
    device: str,
) -> dict[str, float]:
    """Read what `save_state` wrote into the same modules and optimisers; returns the numbers.

    Raises:
        InputUnreadable: There is no checkpoint, or not of this run.
    """
    path = folder / STATE_FILE
    try:
        with safe_open(path, framework="pt") as content:
            numbers: dict[str, float] = json.loads((content.metadata() or {})["numbers"])
        tensors = load_file(path, device=device)
        for name, module in modules.items():
            module.load_state_dict(under(f"{name}/", tensors))
        for name, optimiser in optimisers.items():
            states: dict[int, dict[str, Any]] = {}
            for key, value in under(f"{name}/", tensors).items():
                index, field = key.split("/")
                # Adam counts its steps on the CPU, whatever the device of the weights.
                states.setdefault(int(index), {})[field] = value.cpu() if field == "step" else value
            groups = optimiser.state_dict()["param_groups"]
            optimiser.load_state_dict({"state": states, "param_groups": groups})
    except (OSError, KeyError, ValueError, RuntimeError, SafetensorError) as error:
        raise InputUnreadable(f"{path} is not a checkpoint of this run: {error}") from error
    return numbers


def load_initial(path: Path, trainee: Trainee) -> None:
    """Start from another run's averaged weights, or from a weights file of the codec.

    Raises:
        InputUnreadable: The file is missing or does not fit.
    """
    try:
        tensors = load_file(path)
        if "entropy.step" in tensors:
            network = {f"imf.{k}": v for k, v in under("model.", tensors).items()}
            # How neighbouring tokens differ is not in such a file: a step is the scale to begin.
            step = tensors["entropy.step"].log()
            tensors = {**network, "quantiser.log_step": step, "quantiser.log_scale": step}
        if trainee.imf.restoration and (restoration := under(R, tensors)):
            completed = trainee.imf.restoration.completed(restoration)
            tensors |= {R + k: v for k, v in completed.items()}
        missing = trainee.load_state_dict(tensors, strict=False).missing_keys
        # Networks from before R had none: one that is untrained changes nothing.
        missing = [name for name in missing if not name.startswith(R)]
        if missing:
            raise KeyError(missing[0])
    except (OSError, KeyError, RuntimeError, SafetensorError) as error:
        raise InputUnreadable(f"{path} does not fit this network: {error}") from error
