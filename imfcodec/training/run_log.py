"""What a run leaves to look at: metrics.jsonl, TensorBoard events, sample grids, token plots."""

from __future__ import annotations

import json
import time
from pathlib import Path
from typing import Any

import torch
from torch import Tensor

from imfcodec.training.png import write_png


class RunLog:
    """Collects the terms of each step and writes their means now and then."""

    def __init__(self, run: Path, step: int) -> None:
        """Append to the run's files; ``step`` is the one it stands at."""
        self._run = run
        self._step = step
        self._terms: dict[str, list[float]] = {}
        self._samples = 0
        self._wait_s = 0.0
        self._begun = time.monotonic()
        self._events = _event_writer(run)

    def add(self, step: int, samples: int, wait_s: float, terms: dict[str, Tensor]) -> None:
        """Take one step: pairs seen, seconds waited for data, loss terms."""
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
            **{k: sum(v) / len(v) for k, v in self._terms.items()},
            **figures,
        }
        with (self._run / "metrics.jsonl").open("a") as file:
            file.write(json.dumps(record) + "\n")
        if self._events:
            for name, value in record.items():
                self._events.add_scalar(name, value, self._step)
        self._terms.clear()
        self._samples, self._wait_s, self._begun = 0, 0.0, time.monotonic()
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


def _event_writer(run: Path) -> Any:
    try:
        from torch.utils.tensorboard import SummaryWriter
    except ImportError:  # the `train` extra is not installed
        return None
    return SummaryWriter(str(run))
