"""R, reference restoration: trained on its own, and applied to a shard's decoded key frames."""

from __future__ import annotations

import math
import time
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import torch
from safetensors import SafetensorError
from safetensors.torch import load_file
from torch import nn

from imfcodec.codec.network import STRENGTHS
from imfcodec.codec.network.in_torch import to_pictures, to_tensor
from imfcodec.codec.restoration_strength import restoration_field
from imfcodec.config import ModelConfig
from imfcodec.errors import InputUnreadable, OptionError, Stopped
from imfcodec.metrics.perceptual import load_lpips
from imfcodec.model.reference_restoration import ReferenceRestoration, restoration_of
from imfcodec.training.losses import psnr_db
from imfcodec.training.optimisation import autocast, average_of, follow, warm_cosine
from imfcodec.training.perceptual_loss import PerceptualLoss
from imfcodec.training.prefetch import prepared, workers_for
from imfcodec.training.processes import join
from imfcodec.training.run_log import RunLog, paced, progress_line, time_left_s
from imfcodec.training.shards import Pictures, Shard
from imfcodec.training.tensor_file import write_tensors
from imfcodec.training.utilisation import FlopMeter, peak_flops
from imfcodec.weights import under

FILE = "restoration.safetensors"
REFERENCES_FILE = "references.u8"
RESTORED_TOGETHER = 8  # references
VALIDATED = 64  # references
VALIDATION_NETS = ("alex", "squeeze")


@dataclass(frozen=True)
class RestorationConfig:
    """Configuration of the training of R.

    Attributes:
        model: Sizes of the network that R belongs to.
        side: Side of the patches in pixels.
        batch: Patches per step.
        clean: Share of patches that were never coded, so that R learns to leave them unchanged.
        seed: Seed of weights and patches.
        log_steps: Steps between log lines and checkpoints.

    The others are as in `TrainConfig`.
    """

    model: ModelConfig
    side: int = 128
    batch: int = 16
    steps: int = 4000
    minutes: float | None = None
    learning_rate: float = 4e-4
    warmup_steps: int = 100
    ema: float = 0.998
    l1: float = 10.0
    perceptual: float = 3.0
    perceptual_net: str = "squeeze+alex"
    clean: float = 0.03
    seed: int = 0
    precision: str = "fp32"
    log_steps: int = 200

    def __post_init__(self) -> None:
        if self.log_steps < 1 or self.warmup_steps < 0:
            raise OptionError("steps between log lines are at least 1, those of the warm-up 0")


class Patches:
    """Draws patches of decoded references and the same patches of their sources.

    Batch n depends on the seed and n only.

    Raises:
        OptionError: The shard has no decoded references, or smaller ones than the patches.
    """

    def __init__(self, shard: Shard, config: RestorationConfig) -> None:
        self._shard = shard
        self._config = config
        self._pairs = shard.decoded_pairs()
        if not self._pairs:
            raise OptionError("the shard has no decoded references to restore")
        if shard.size < config.side:
            raise OptionError(f"patches of {config.side} pixels of pictures of {shard.size}")

    def __getitem__(self, step: int) -> tuple[Pictures, Pictures]:
        """Decoded and source patches of one step, uint8 [batch, side, side, 3] each."""
        config = self._config
        rng = np.random.default_rng((config.seed, step))
        decoded, sources = [], []
        for _ in range(config.batch):
            ref, frame = self._pairs[rng.integers(len(self._pairs))]
            top, left = rng.integers(self._shard.size - config.side + 1, size=2)
            place = (slice(top, top + config.side), slice(left, left + config.side))
            source = self._shard.frames[frame][place]
            patch = source if rng.random() < config.clean else self._shard.refs[ref][place]
            mirror = slice(None, None, -1 if rng.random() < 0.5 else 1)
            decoded.append(patch[:, mirror])
            sources.append(source[:, mirror])
        return np.stack(decoded), np.stack(sources)


def train_restoration(
    config: RestorationConfig,
    shard: Path,
    validation: Path | None,
    run: Path,
    *,
    device: str = "auto",
    initial: Path | None = None,
    workers: int | None = None,
    say: Callable[[str], None] = lambda line: None,
) -> dict[str, float]:
    """Train R on a shard's decoded references, as AV1 made them, into RUN/restoration.safetensors.

    Args:
        config: What is trained and how.
        shard: Folder of the training shard.
        validation: Folder of the validation shard, None for no validation.
        run: Folder of the run.
        device: "cpu", "cuda" or "auto".
        initial: File of another such run to start from; its R may be longer.
        workers: Processes that draw patches; None chooses by the device.
        say: Called with each log line.

    Returns:
        The last logged figures.

    Raises:
        OptionError: The network has no R, the folder holds a run, there is no GPU, or torchrun
            started several processes.
        InputUnreadable: A shard or ``initial`` cannot be read.
        OutputFailed: The file cannot be written.
    """
    processes = join(device)
    if processes.count > 1:
        raise OptionError("restoration is trained in one process, without torchrun")
    device = processes.device
    if (run / FILE).exists():
        raise OptionError(f"{run} holds a run already: choose another folder")
    run.mkdir(parents=True, exist_ok=True)
    begun = time.monotonic()
    torch.manual_seed(config.seed)
    restoration = restoration_of(config.model)
    if restoration is None:
        raise OptionError(f"preset {config.model.preset} restores no references")
    if initial:
        load_restoration(initial, restoration, shorten=True)
    restoration.to(device, memory_format=torch.channels_last)  # type: ignore[call-overload]
    ema = average_of(restoration)
    optimiser = torch.optim.Adam(restoration.parameters(), config.learning_rate)
    distance = PerceptualLoss(config.perceptual_net).to(device) if config.perceptual else None
    if workers is None:
        workers = workers_for(device, 1)
    patches = iter(prepared(Patches(Shard(shard), config), range(config.steps), workers))
    nets = VALIDATION_NETS if distance else ()
    check = _Check(Shard(validation), device, nets) if validation else None
    flops = FlopMeter()
    log = RunLog(run, 0, peak_flops(device, config.precision))
    last: dict[str, float] = {}
    done = 0
    try:
        for step in range(config.steps):
            spent = (time.monotonic() - begun) / 60 / (config.minutes or math.inf)
            if spent >= 1:
                break
            progress = max(step / config.steps, spent)
            for group in optimiser.param_groups:
                rate = warm_cosine(step, config.warmup_steps, progress)
                group["lr"] = config.learning_rate * rate
            waited = time.monotonic()
            decoded, source = (to_tensor(x, device) for x in next(patches))
            wait_s = time.monotonic() - waited
            flops.begin("step")
            with autocast(device, config.precision):
                picture = restoration(decoded)
                terms = {"l1": (picture - source).abs().mean()}
                loss = config.l1 * terms["l1"]
                if distance:
                    terms["perceptual"] = distance(picture, source, step)
                    loss = loss + config.perceptual * terms["perceptual"]
            optimiser.zero_grad(set_to_none=True)
            loss.backward()
            if torch.isfinite(nn.utils.clip_grad_norm_(restoration.parameters(), 1.0)):
                optimiser.step()
                follow(ema, restoration, step, config.ema)
            flops.end()
            done = step + 1
            log.add(step + 1, config.batch, wait_s, flops.take(), terms)
            if (step + 1) % config.log_steps == 0 or step + 1 == config.steps:
                write_tensors(run / FILE, ema.state_dict())
                last = log.write(check.measure(ema) if check else {})
                most_s = None if config.minutes is None else 60 * config.minutes
                left_s = time_left_s(step + 1, config.steps, time.monotonic() - begun, most_s)
                say(progress_line(step + 1, config.steps, left_s, last))
    except (KeyboardInterrupt, Stopped):
        if done:
            write_tensors(run / FILE, ema.state_dict())
            say(f"stopped after step {done}; go on with --initial {run / FILE} and a new folder")
        raise
    write_tensors(run / FILE, ema.state_dict())
    return last


def load_restoration(
    path: Path, restoration: ReferenceRestoration | None, *, shorten: bool = False
) -> None:
    """Fill R with what `train_restoration` wrote; an R of one pass begins each further one.

    Args:
        path: The file, or weights of the codec.
        restoration: R.
        shorten: Whether R may have fewer passes, and fewer blocks at each scale; it has to be
            trained then.

    Raises:
        OptionError: The network has no R.
        InputUnreadable: The file is missing or does not fit.
    """
    if restoration is None:
        raise OptionError("this network restores no references")
    try:
        tensors = load_file(path)
        # Of a weights file of the codec, R is a part.
        tensors = under("model.restoration.", tensors) or tensors
        tensors = restoration.completed(tensors)
        if shorten:
            tensors = {k: v for k, v in tensors.items() if k in restoration.state_dict()}
        restoration.load_state_dict(tensors)
    except (OSError, KeyError, RuntimeError, SafetensorError) as error:
        raise InputUnreadable(f"{path} does not fit this network's R: {error}") from error


@torch.inference_mode()
def restored_shard(
    folder: Path,
    path: Path,
    restoration: ReferenceRestoration | None,
    device: str,
    precision: str,
    say: Callable[[str], None] = lambda line: None,
) -> Shard:
    """A shard that shows its decoded references as a receiver restores them.

    R runs once for each instead of in every step that draws it.

    Args:
        folder: Of the shard.
        path: File that keeps the restored references. Those in it already, of a run that is
            resumed, stay.
        restoration: R; None, and one that is untrained, leaves the references as they are.
        device: Torch device.
        precision: "fp32", "bf16" or "fp16".
        say: Called with lines of progress.

    Raises:
        InputUnreadable: The folder is no shard.
    """
    shard = Shard(folder)
    if restoration is None or not restoration.trained:
        return shard
    size = shard.refs[:1].nbytes
    shares = torch.ones(len(shard.refs), 1, 1, 1)
    for ref in (ref for clip in shard.clips for ref in clip.refs):
        shares[ref.place] = STRENGTHS[restoration_field(ref.crf, predicted=ref.predicted)]
    done = path.stat().st_size // size if size and path.exists() else 0
    advance = paced("restoring key frames", say)
    with path.open("r+b" if path.exists() else "wb") as file:
        file.truncate(done * size)
        file.seek(done * size)
        for begin in range(done, len(shard.refs), RESTORED_TOGETHER):
            advance(begin, len(shard.refs))
            decoded = to_tensor(shard.refs[begin : begin + RESTORED_TOGETHER].copy(), device)
            with autocast(device, precision):
                restored = restoration(decoded)
            share = shares[begin : begin + RESTORED_TOGETHER].to(device)
            file.write(to_pictures(torch.lerp(decoded, restored.float(), share)).tobytes())
    shard.show_references(path)
    return shard


class _Check:
    """What R gains on references of people whom training has not seen."""

    def __init__(self, shard: Shard, device: str, nets: Iterable[str]) -> None:
        pairs = shard.decoded_pairs()
        self._shard = shard
        self._pairs = pairs[:: max(1, len(pairs) // VALIDATED)]
        self._device = device
        self._distances = {n: load_lpips(n).to(device) for n in nets}

    @torch.inference_mode()
    def measure(self, restoration: nn.Module) -> dict[str, float]:
        """Means of decoded and restored references: PSNR-RGB in dB, LPIPS where it is known."""
        sums: dict[str, float] = {}
        for ref, frame in self._pairs:
            pictures = self._shard.refs[[ref]], self._shard.frames[[frame]]
            decoded, source = (to_tensor(x, self._device) for x in pictures)
            for name, picture in (("decoded", decoded), ("restored", restoration(decoded))):
                figures = {"psnr_db": psnr_db(picture, source)}
                for net, distance in self._distances.items():
                    figures[f"lpips_{net}"] = float(distance(picture * 2 - 1, source * 2 - 1))
                for kind, value in figures.items():
                    key = f"{name}_{kind}"
                    sums[key] = sums.get(key, 0.0) + value / len(self._pairs)
        return sums
