"""The log of a run: metrics.jsonl, sample grids, token plots, TensorBoard, Weights & Biases."""

from __future__ import annotations

import json
import time
from pathlib import Path
from typing import Any

import torch
from torch import Tensor

from imfcodec.errors import OptionError
from imfcodec.training.png import write_png


class RunLog:
    """Collects the terms of each step and writes their means at intervals."""

    def __init__(self, run: Path, step: int, peak_flops: float, wandb: str | None = None) -> None:
        """Append to the run's files.

        Args:
            run: The folder.
            step: The one that the run stands at.
            peak_flops: What this machine could compute, operations per second.
            wandb: Project of Weights & Biases to log to as well.
        """
        self._run = run
        self._peak_flops = peak_flops
        self._flops = 0
        self._step = step
        self._terms: dict[str, list[float]] = {}
        self._samples = 0
        self._wait_s = 0.0
        self._begun = time.monotonic()
        self._events = _event_writer(run)
        self._wandb = _wandb_run(wandb, run) if wandb else None

    def add(
        self, step: int, samples: int, wait_s: float, flops: int, terms: dict[str, Tensor]
    ) -> None:
        """Take one step: pairs seen, seconds waited for data, operations, loss terms."""
        self._flops += flops
        self._step = step
        self._samples += samples
        self._wait_s += wait_s
        for name, value in terms.items():
            self._terms.setdefault(name, []).append(float(value))

    def write(self, figures: dict[str, float]) -> dict[str, float]:
        """Write one record: means since the last one, speed, and further figures."""
        elapsed_s = max(time.monotonic() - self._begun, 1e-9)
        record = {
            "step": float(self._step),
            "samples_per_s": self._samples / elapsed_s,
            "data_wait_percent": 100 * self._wait_s / elapsed_s,
            "utilisation_percent": 100 * self._flops / elapsed_s / self._peak_flops,
            **{k: sum(v) / len(v) for k, v in self._terms.items()},
            **figures,
        }
        with (self._run / "metrics.jsonl").open("a") as file:
            file.write(json.dumps(record) + "\n")
        if self._events:
            for name, value in record.items():
                self._events.add_scalar(name, value, self._step)
        if self._wandb:
            self._wandb.log(record, step=self._step)
        self._terms.clear()
        self._samples, self._flops, self._wait_s, self._begun = 0, 0, 0.0, time.monotonic()
        return record

    def pictures(self, rows: Tensor, tokens: Tensor) -> None:
        """Write a sample grid [rows, columns, 3, S, S] and a plot of tokens [frames, d_m]."""
        grid = torch.cat([torch.cat(list(row), 2) for row in rows], 1)
        write_png(self._run / "samples.png", grid)
        # Time runs to the right, one band per dimension, from -2 (black) to 2 (white).
        plot = (tokens.t()[None] / 4 + 0.5).clamp(0, 1).expand(3, -1, -1)
        plot = plot.repeat_interleave(8, 1).repeat_interleave(8, 2)
        write_png(self._run / "tokens.png", plot)
        if self._events:
            self._events.add_image("samples", grid, self._step)
            self._events.add_image("tokens", plot, self._step)


def _wandb_run(project: str, run: Path) -> Any:
    try:
        import wandb
    except ImportError as error:
        raise OptionError("--wandb needs the package wandb: pip install wandb") from error
    # One name for a run and its resumptions.
    return wandb.init(
        project=project, name=run.name, id=run.resolve().name, dir=run, resume="allow"
    )


def _event_writer(run: Path) -> Any:
    try:
        from torch.utils.tensorboard import SummaryWriter
    except ImportError:  # the `train` extra is not installed
        return None
    return SummaryWriter(str(run))
