"""The training loop, top to bottom."""

from __future__ import annotations

import copy
import dataclasses
import json
import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from queue import Queue
from threading import Thread

import torch
import torch.nn.functional as F
from safetensors.torch import load_file, save_file
from torch import Tensor, nn

from imfcodec.config import ModelConfig
from imfcodec.metrics.perceptual import load_lpips
from imfcodec.model.imf import IMF
from imfcodec.training.data import Batch, PairSampler, Shard
from imfcodec.training.losses import flow_loss, psnr_db, pyramid_l1
from imfcodec.training.quantisation import TokenQuantiser, warm_in


@dataclass(frozen=True)
class Stage:
    """One leg of progressive training: picture side in pixels, batch, minutes, peak rate."""

    size: int
    batch: int
    minutes: float
    learning_rate: float


@dataclass(frozen=True)
class TrainConfig:
    """Everything that a run depends on; written to ``config.json`` in its folder.

    Attributes:
        shard, validation: Folders of training and validation shards.
        run: Folder of the run.
        stages: Progressive sizes.
        model: Sizes of the network.
        initial: Safetensors of an earlier run to start from, None for scratch.
        perceptual: Weight of LPIPS (SqueezeNet).
        l1: Weight of the pyramid L1.
        flow: Weight of the optical-flow term at the start; it decays to a tenth.
        rate: Weight of a bit of token rate, per frame.
        two_references: Share of the steps that see two references.
    """

    shard: str
    validation: str
    run: str
    stages: tuple[Stage, ...]
    model: ModelConfig
    initial: str | None = None
    seed: int = 0
    perceptual: float = 2.0
    l1: float = 10.0
    flow: float = 1.0
    rate: float = 0.0005
    two_references: float = 0.1
    noise_steps: int = 600
    ema: float = 0.998
    checkpoint_minutes: float = 4.0


class Trainee(nn.Module):
    """What is learned together: the network and the token quantiser."""

    def __init__(self, config: ModelConfig) -> None:
        super().__init__()
        self.imf = IMF(config)
        self.quantiser = TokenQuantiser(config.token_size)


def train(config: TrainConfig, say: Callable[[str], None]) -> Path:
    """Run every stage and return the path of the last EMA checkpoint."""
    run = Path(config.run)
    run.mkdir(parents=True, exist_ok=True)
    (run / "config.json").write_text(json.dumps(dataclasses.asdict(config), indent=1))
    torch.manual_seed(config.seed)

    trainee = Trainee(config.model).to(memory_format=torch.channels_last)  # type: ignore[call-overload]
    if config.initial:
        trainee.load_state_dict(load_file(config.initial), strict=False)
    ema = copy.deepcopy(trainee).eval().requires_grad_(False)
    optimiser = torch.optim.Adam(trainee.parameters(), lr=1e-4, betas=(0.9, 0.999))
    distance = load_lpips("squeeze")
    shard = Shard(Path(config.shard))
    validation = PairSampler(Shard(Path(config.validation)), seed=1)
    total_s = sum(s.minutes for s in config.stages) * 60
    step, begun, skipped = 0, time.monotonic(), 0
    saved = begun

    for number, stage in enumerate(config.stages):
        side = max(stage.size, config.model.token_encoder_side or 0)
        held_out = [validation.draw(8, side, 1, flow=False) for _ in range(8)]
        stage_begun = time.monotonic()
        sampler = PairSampler(shard, config.seed * 100 + number)
        batches = _prefetch(sampler, stage.batch, side, config.two_references)
        seen, logged, window = 0, time.monotonic(), []
        while True:
            progress = (time.monotonic() - stage_begun) / (stage.minutes * 60)
            if progress >= 1:
                break
            overall = min(1.0, (time.monotonic() - begun) / total_s)
            batch = next(batches)
            trainee.train()
            terms = _losses(
                trainee, batch, stage.size, distance, warm_in(step, 0, config.noise_steps)
            )
            loss = (
                config.l1 * terms["l1"]
                + config.perceptual * terms["lpips"]
                + config.flow * max(0.1, 1 - overall) * terms["flow"]
                + config.rate * warm_in(step, config.noise_steps, 2000) * terms["bits"]
            )
            for group in optimiser.param_groups:
                group["lr"] = stage.learning_rate * _schedule(step, progress)
            optimiser.zero_grad(set_to_none=True)
            loss.backward()
            norm = nn.utils.clip_grad_norm_(trainee.parameters(), 1.0)
            if not torch.isfinite(norm):
                skipped += 1
                continue
            optimiser.step()
            _follow(ema, trainee, min(config.ema, (step + 1) / (step + 10)))
            step += 1
            seen += len(batch.current)
            window.append({k: float(v.detach()) for k, v in terms.items()})

            if time.monotonic() - logged > 60:
                means = {k: sum(w[k] for w in window) / len(window) for k in window[0]}
                rate = len(window) * stage.batch / (time.monotonic() - logged)
                check = _validate(ema, held_out, stage.size, distance)
                record = {
                    "minutes": (time.monotonic() - begun) / 60,
                    "stage": number,
                    "step": step,
                    "samples_per_s": rate,
                    "skipped": skipped,
                    **means,
                    **check,
                }
                with (run / "metrics.jsonl").open("a") as log:
                    log.write(json.dumps(record) + "\n")
                say(" ".join(f"{k} {v:.4g}" for k, v in record.items()))
                logged, window = time.monotonic(), []
            if time.monotonic() - saved > config.checkpoint_minutes * 60:
                save(run / "ema.safetensors", ema)
                saved = time.monotonic()
    save(run / "ema.safetensors", ema)
    return run / "ema.safetensors"


def _losses(
    trainee: Trainee, batch: Batch, size: int, distance: nn.Module, noise: float
) -> dict[str, Tensor]:
    """Every term of the loss, unweighted, on pictures of ``size``; tokens see all pixels."""
    imf, quantiser = trainee.imf, trainee.quantiser
    count = len(batch.current)
    target = _reduce(batch.current, size)
    pictures = [batch.current, *batch.references, batch.neighbour]
    sizes = [count] * (len(pictures) - 1) + [len(batch.neighbour)]
    tokens = imf.encode_token(_layout(torch.cat(pictures))).split(sizes)
    current, *references = (quantiser.noisy(t, noise) for t in tokens[:-1])
    rebuilt = imf(current, [_layout(_reduce(r, size)) for r in batch.references], references)
    terms = {
        "l1": pyramid_l1(rebuilt.picture, target),
        "lpips": distance(rebuilt.picture * 2 - 1, target * 2 - 1).mean(),
        "bits": quantiser.rate_bits(tokens[0][: len(batch.neighbour)], tokens[-1]),
        "flow": rebuilt.picture.new_zeros(()),
        "spread": tokens[0].detach().std(0).mean(),
        "step_size": quantiser.step.detach().mean(),
    }
    if batch.flow is not None and rebuilt.warps:
        terms["flow"] = flow_loss(rebuilt.warps, *batch.flow)
    return terms


@torch.no_grad()
def _validate(
    ema: Trainee, batches: list[Batch], size: int, distance: nn.Module
) -> dict[str, float]:
    """PSNR and LPIPS of rounded tokens on held-out pairs, beside the frozen reference's."""
    sums = {"val_psnr": 0.0, "val_lpips": 0.0, "freeze_psnr": 0.0, "freeze_lpips": 0.0}
    for batch in batches:
        tokens = [ema.imf.encode_token(x) for x in (batch.current, batch.references[0])]
        step = ema.quantiser.step
        tokens = [torch.round(t / step) * step for t in tokens]
        target, reference = _reduce(batch.current, size), _reduce(batch.references[0], size)
        rebuilt = ema.imf(tokens[0], [reference], tokens[1:]).picture.clamp(0, 1)
        for name, picture in (("val", rebuilt), ("freeze", reference)):
            sums[f"{name}_psnr"] += psnr_db(picture, target) / len(batches)
            sums[f"{name}_lpips"] += float(distance(picture * 2 - 1, target * 2 - 1).mean()) / len(
                batches
            )
    return sums


def _prefetch(sampler: PairSampler, batch: int, side: int, two: float):
    """Batches from a thread, so that reading hides behind computing."""
    queue: Queue[Batch] = Queue(maxsize=3)

    def work() -> None:
        while True:
            count = 2 if sampler.rng.random() < two else 1
            queue.put(sampler.draw(batch, side, count, flow=True))

    Thread(target=work, daemon=True).start()
    while True:
        yield queue.get()


def _reduce(x: Tensor, size: int) -> Tensor:
    return x if x.shape[-1] == size else F.interpolate(x, (size, size), mode="area")


def _layout(x: Tensor) -> Tensor:
    return x.contiguous(memory_format=torch.channels_last)


def _schedule(step: int, progress: float) -> float:
    """Linear warm-up over 100 steps; from the middle of a stage down to a fifth."""
    return min(1.0, (step + 1) / 100) * min(1.0, 1.0 - 0.8 * (progress - 0.5) / 0.5)


@torch.no_grad()
def _follow(ema: nn.Module, model: nn.Module, decay: float) -> None:
    for slow, fast in zip(ema.state_dict().values(), model.state_dict().values(), strict=True):
        if slow.dtype.is_floating_point:
            slow.lerp_(fast, 1 - decay)
        else:
            slow.copy_(fast)


def save(path: Path, model: nn.Module) -> None:
    """Write a model's tensors so that a crash leaves the old file whole."""
    part = path.with_suffix(".part")
    save_file({k: v.contiguous() for k, v in model.state_dict().items()}, part)
    part.replace(path)
