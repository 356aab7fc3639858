"""The log of a run: metrics.jsonl, sample grids, token plots, TensorBoard, Weights & Biases."""

from __future__ import annotations

import json
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import cv2
import torch
from torch import Tensor

from imfcodec.errors import OptionError

METRICS_FILE = "metrics.jsonl"


class RunLog:
    """Collects the terms of each step and writes their means at intervals."""

    def __init__(self, run: Path, step: int, peak_flops: float, wandb: str | None = None) -> None:
        """Append to the files of a run that stands at a step.

        ``peak_flops`` is what this machine could compute, in operations per second. ``wandb`` is a
        project of Weights & Biases to log to as well.
        """
        self._run = run
        self._peak_flops = peak_flops
        self._step = step
        self._begin()
        self._events = _event_writer(run)
        self._wandb = _wandb_run(wandb, run) if wandb else None

    def _begin(self) -> None:
        self._terms: dict[str, list[float]] = {}
        self._samples, self._flops, self._wait_s, self._begun = 0, 0, 0.0, time.monotonic()

    def add(
        self, step: int, samples: int, wait_s: float, flops: int, terms: dict[str, Tensor]
    ) -> None:
        """Take one step: pairs seen, seconds waited for data, operations, loss terms."""
        self._flops += flops
        self._step = step
        self._samples += samples
        self._wait_s += wait_s
        for name, value in terms.items():
            self._terms.setdefault(name, []).append(float(value.detach()))

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
        with (self._run / METRICS_FILE).open("a") as file:
            file.write(json.dumps(record) + "\n")
        if self._events:
            for name, value in record.items():
                self._events.add_scalar(name, value, self._step)
        if self._wandb:
            self._wandb.log(record, step=self._step)
        self._begin()
        return record

    def pictures(self, rows: Tensor, tokens: Tensor) -> None:
        """Write a sample grid [rows, columns, 3, S, S] and a plot of tokens [frames, d_m]."""
        grid = torch.cat([torch.cat(list(row), 2) for row in rows], 1)
        _write_png(self._run / "samples.png", grid)
        # Time runs to the right, one band per dimension, from -2 (black) to 2 (white).
        plot = (tokens.t()[None] / 4 + 0.5).clamp(0, 1).expand(3, -1, -1)
        plot = plot.repeat_interleave(8, 1).repeat_interleave(8, 2)
        _write_png(self._run / "tokens.png", plot)
        if self._events:
            self._events.add_image("samples", grid, self._step)
            self._events.add_image("tokens", plot, self._step)


def _write_png(path: Path, picture: Tensor) -> None:
    """Write [3, H, W] in 0..1."""
    rgb = picture.mul(255).round().clamp(0, 255).byte().permute(1, 2, 0).cpu().numpy()
    path.write_bytes(cv2.imencode(".png", rgb[..., ::-1])[1].tobytes())


def progress_line(step: int, steps: int, left_s: float | None, figures: dict[str, float]) -> str:
    """Step N of M, time left, and figures in columns of equal width."""
    width = len(str(steps))
    left = "" if left_s is None else f"  {duration_text(left_s)} left"
    columns = [f"{name} {value:<9.4g}" for name, value in figures.items() if name != "step"]
    return f"step {step:>{width}} of {steps}{left:16} " + " ".join(columns).rstrip()


def duration_text(seconds: float) -> str:
    """Hours, minutes and seconds: 1:02:03."""
    minutes, second = divmod(round(seconds), 60)
    return f"{minutes // 60}:{minutes % 60:02}:{second:02}"


def time_left_s(
    done: int, total: int, elapsed_s: float, most_s: float | None = None
) -> float | None:
    """Time left by the mean speed so far; None before the first step.

    ``done`` of ``total`` steps took ``elapsed_s``. The run stops after ``most_s`` anyway.
    """
    if not done:
        return None
    left_s = (total - done) * elapsed_s / done
    return max(0.0, left_s if most_s is None else min(left_s, most_s - elapsed_s))


def paced(
    what: str, say: Callable[[str], None], every_s: float = 5.0
) -> Callable[[int, int], None]:
    """Turn the advance of some work into lines with the time left, one in every few seconds."""
    begun = said = time.monotonic()
    first: int | None = None

    def advance(done: int, total: int) -> None:
        nonlocal said, first
        first = done if first is None else first
        now = time.monotonic()
        if now - said < every_s:
            return
        said = now
        left_s = time_left_s(done - first, total - first, now - begun)
        say(f"{what}: {progress_line(done, total, left_s, {}).removeprefix('step ')}")

    return advance


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
