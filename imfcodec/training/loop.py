"""The training loop, from top to bottom."""

from __future__ import annotations

import math
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import torch
from torch import Tensor, nn

from imfcodec.errors import OptionError, Stopped
from imfcodec.training.adversary import Adversary
from imfcodec.training.checkpoint import STATE_FILE, load_initial, load_state, save_state
from imfcodec.training.config import TrainConfig
from imfcodec.training.distillation import SHOWN, SHOWS, Teacher
from imfcodec.training.losses import (
    flow_distance,
    motion_distance,
    pyramid_l1,
    structure_distance,
)
from imfcodec.training.optimisation import autocast, average_of, follow, warm_cosine, warm_in
from imfcodec.training.pairs import PairSampler
from imfcodec.training.perceptual_loss import PerceptualLoss
from imfcodec.training.prefetch import ahead, prepared, workers_for
from imfcodec.training.processes import Processes, join
from imfcodec.training.restoration import REFERENCES_FILE, load_restoration, restored_shard
from imfcodec.training.run_log import METRICS_FILE, RunLog, progress_line, time_left_s
from imfcodec.training.shards import Shard
from imfcodec.training.trainee import Trainee, reduce_to, token_noise
from imfcodec.training.utilisation import FlopMeter, peak_flops
from imfcodec.training.validation import Validation
from imfcodec.weights import load_weights

FIRST_CHECKPOINT_S = 45.0
"""A run has its first checkpoint after this time, in seconds, whatever its interval."""


def train(
    config: TrainConfig,
    shard: Path,
    validation: Path | None,
    run: Path,
    *,
    device: str = "auto",
    resume: bool = False,
    initial: Path | None = None,
    teacher: Path | None = None,
    restoration: Path | None = None,
    minutes: float | None = None,
    workers: int | None = None,
    wandb: str | None = None,
    say: Callable[[str], None] = lambda line: None,
) -> dict[str, float]:
    """Train until the last step, or until ``minutes`` have passed.

    Args:
        config: What is trained and how.
        shard: Folder of the training shard.
        validation: Folder of the validation shard, None for no validation.
        run: Folder of the run.
        device: "cpu", "cuda", or "auto".
        resume: Continue from the run's last checkpoint. On a CPU, the result is then bit for bit
            that of an uninterrupted run.
        initial: Averaged weights of another run to start from.
        teacher: Weights file of a network whose student is trained, see `distillation`.
        restoration: R, as written by `train_restoration`; None takes that of ``initial`` or
            ``teacher``, if it has one. R is not trained further.
        minutes: Save and stop after this many minutes.
        workers: Processes that plan batches; None chooses by the device.
        wandb: Project of Weights & Biases to log to as well.
        say: Called with each log line.

    Returns:
        The last logged figures.

    Raises:
        OptionError: The run has another configuration, or there is no GPU.
        InputUnreadable: A shard or checkpoint cannot be read.
        OutputFailed: A checkpoint cannot be written; the previous one stays intact.
    """
    begun = time.monotonic()
    processes = join(device)
    device = processes.device
    _claim_folder(run, config, resume, processes)
    torch.manual_seed(config.seed)

    trainee = Trainee(config.model).to(device, memory_format=torch.channels_last)  # type: ignore[call-overload]
    if initial is not None:
        load_initial(initial, trainee)
    restored_by = restoration or teacher
    if restored_by is not None:
        load_restoration(restored_by, trainee.imf.restoration)
    if trainee.imf.restoration:
        trainee.imf.restoration.requires_grad_(False)

    def shard_of(folder: Path, name: str) -> Shard:
        """With restored references, which the run keeps in a file of this name."""
        network = trainee.imf.restoration
        return restored_shard(folder, run / name, network, device, config.precision, say)

    if processes.first:  # it restores for all
        shard_of(shard, REFERENCES_FILE)
    processes.largest(0.0)  # all wait for it
    sampler = PairSampler(shard_of(shard, REFERENCES_FILE), config, device)
    check = None
    if validation and processes.first:
        held_out = shard_of(validation, f"validation-{REFERENCES_FILE}")
        check = Validation(held_out, config, device)
    guide = None
    if teacher is not None:
        guide = Teacher(load_weights(str(teacher)), trainee)
        if not resume:
            side = _side(config, config.stages[-1].size, sampler.shard.size)
            guide.begin([sampler.draw(n, SHOWN, side, flow=True) for n in range(SHOWS)])

    ema = average_of(trainee)
    if guide:
        guide.watch()
    trainee.imf.latent_token_encoder.normalise.mean_over_processes = processes.mean
    trainee.imf.latent_token_encoder.normalise.renormalise = config.renormalise
    optimiser = torch.optim.Adam(trainee.parameters(), config.learning_rate, config.betas)
    adversary = Adversary(config, processes)
    modules: dict[str, nn.Module] = {"trainee": trainee, "judge": adversary.judge, "ema": ema}
    optimisers: dict[str, torch.optim.Optimizer] = {
        "adam": optimiser,
        "judge_adam": adversary.optimiser,
    }
    scaler = torch.amp.GradScaler(device.split(":")[0], enabled=config.precision == "fp16")
    step, skipped, spent_before_s = 0, 0, 0.0
    if resume:
        numbers = load_state(run, modules, optimisers, device)
        step, skipped = int(numbers["step"]), int(numbers["skipped"])
        spent_before_s, adversary.probability = numbers["spent_s"], numbers["ada"]
        scaler.load_state_dict({k: numbers[f"scaler/{k}"] for k in scaler.state_dict()})

    def save() -> None:
        numbers = {
            "step": step,
            "skipped": skipped,
            "spent_s": spent_before_s + time.monotonic() - begun,
            "ada": adversary.probability,
            **{f"scaler/{k}": v for k, v in scaler.state_dict().items()},
        }
        save_state(run, modules, optimisers, numbers)

    plain_pass = processes.parallel(trainee)
    compiled_pass = torch.compile(plain_pass) if config.compile else plain_pass
    distance = PerceptualLoss(config.perceptual_net).to(device) if config.perceptual else None

    flops, peak = FlopMeter(), peak_flops(device, config.precision)
    log = RunLog(run, step, peak, wandb) if processes.first else None
    if workers is None:
        workers = workers_for(device, processes.count)
    # With accumulation, the batch of a step is divided further, each part a batch of its own.
    parts = processes.count * config.accumulate
    mine = [(index, parts) for index in range(processes.index, parts, processes.count)]
    plans = prepared(
        PairSampler(sampler.shard, config),
        _requests(config, step, sampler.shard.size, mine),
        workers,
    )
    batches = ahead(map(sampler.load, plans))
    noise_source = torch.Generator()
    last: dict[str, float] = {}
    saved = step if resume else None
    first_step, started = step, time.monotonic()
    limits_s = [60 * minutes] if minutes is not None else []
    if config.minutes is not None:
        limits_s.append(60 * config.minutes - spent_before_s)

    try:
        while step < config.steps:
            # All processes must agree on the time: it decides what they compute together.
            here_min = processes.largest((time.monotonic() - begun) / 60)
            spent = (spent_before_s / 60 + here_min) / (config.minutes or math.inf)
            if spent >= 1 or (minutes is not None and here_min >= minutes):
                break
            stage = config.stage_at(step)
            progress = max(step / config.steps, spent)
            gan_on = config.gan > 0 and progress >= config.gan_start
            moving = config.motion > 0 and progress >= config.motion_start
            penalise = gan_on and config.r1 > 0 and step % config.r1_every == 0
            # Noise and augmentation are functions of the step, like the batch.
            noise_source.manual_seed(config.seed * 1_000_003 + step)
            adversary.source.manual_seed(config.seed * 1_000_003 + step + 500_000_000)
            for group in optimiser.param_groups:
                rate = warm_cosine(step, config.warmup_steps, progress)
                group["lr"] = config.learning_rate * rate
            rate_weight = config.rate * warm_in(step, config.noise_steps, 2000)
            flow_weight = config.flow * _flow_share(progress, config)

            wait_s = 0.0
            figures: dict[str, Tensor] = {}
            for part in mine:
                waited = time.monotonic()
                batch = next(batches)
                wait_s += time.monotonic() - waited
                if part is mine[0]:
                    size = config.model.token_size
                    amount = warm_in(step, 0, config.noise_steps)
                    whole_noise = token_noise(noise_source, stage.batch, size, amount)
                    kinds = (batch.flow is None, batch.sent is None, gan_on, penalise, moving)
                    flops.begin((stage, *kinds))
                noise = [n[part[0] :: part[1]].to(device) for n in whole_noise]
                # Operations are counted on the network as it is written.
                forward = plain_pass if flops.counting else compiled_pass
                with (
                    processes.synchronised(plain_pass, part is mine[-1]),
                    autocast(device, config.precision),
                ):
                    rebuilt = forward(batch, stage.size, noise, moving)
                    target = reduce_to(batch.current, stage.size)
                    picture = rebuilt.picture.float()
                    # Both terms are of differences: weights of these are weights of the pictures.
                    weights = reduce_to(batch.weights, stage.size)
                    terms = {
                        "l1": (config.l1, pyramid_l1(picture * weights, target * weights)),
                        "bits": (rate_weight, rebuilt.bits),
                    }
                    if distance:
                        terms["perceptual"] = config.perceptual, distance(picture, target, step)
                    if config.structure:
                        terms["structure"] = config.structure, structure_distance(picture, target)
                    if batch.flow is not None and rebuilt.warp:
                        displacement = rebuilt.warp.displacement.float()
                        terms["flow"] = flow_weight, flow_distance(displacement, batch.flow)
                    if moving:
                        beside = rebuilt.neighbour.float()
                        target_beside = reduce_to(batch.neighbour, stage.size)
                        pictures = (picture, beside, target, target_beside)
                        motion = motion_distance(*(x * weights for x in pictures))
                        terms["motion"] = config.motion, motion
                    if guide:
                        terms |= guide.terms(rebuilt, weights)
                    if gan_on:
                        terms |= adversary.terms(picture, target)
                    loss = sum((w * x for w, x in terms.values()), picture.new_zeros(()))
                    scaler.scale(loss / config.accumulate).backward()
                for name, (_, value) in terms.items():
                    share = value.detach() / config.accumulate
                    figures[name] = figures.get(name, 0.0) + share
            figures["spread"] = rebuilt.token.detach().std(0).mean()
            figures["step_size"] = trainee.quantiser.step.detach().mean()

            scaler.unscale_(optimiser)
            norm = nn.utils.clip_grad_norm_(trainee.parameters(), config.clip_norm)
            if torch.isfinite(norm):
                scaler.step(optimiser)
                follow(ema, trainee, step, config.ema)
            else:
                skipped += 1
            scaler.update()
            optimiser.zero_grad(set_to_none=True)
            figures |= adversary.learn(stage.batch, penalise)

            flops.end()
            step += 1
            if log:
                log.add(step, stage.batch, wait_s, flops.take(), figures)
            if log and (step % config.log_steps == 0 or step == config.steps):
                numbers = {"skipped": skipped, "learning_rate": optimiser.param_groups[0]["lr"]}
                last = log.write(numbers | (check.measure(ema, stage.size) if check else {}))
                if check:
                    log.pictures(check.samples(ema, stage.size), check.tokens(ema))
                elapsed_s = time.monotonic() - started
                most_s = min(limits_s, default=math.inf) - (started - begun)
                steps = config.steps - first_step
                left_s = time_left_s(step - first_step, steps, elapsed_s, most_s)
                say(progress_line(step, config.steps, left_s, last))
            early = saved is None and time.monotonic() - begun >= FIRST_CHECKPOINT_S
            if processes.first and (early or step % config.checkpoint_steps == 0):
                save()
                saved = step
    except (KeyboardInterrupt, Stopped):
        if processes.first and step > first_step:
            save()
            say(f"stopped after step {step}; the checkpoint is in {run}: go on with --resume")
        raise
    if processes.first and saved != step:
        save()
    return last


def _claim_folder(run: Path, config: TrainConfig, resume: bool, processes: Processes) -> None:
    """Write the configuration, or check it against that of the run to be resumed."""
    path = run / "config.json"
    if resume:
        if not path.exists():
            raise OptionError(f"nothing to resume: {path} is missing")
        if not (run / STATE_FILE).exists():
            raise OptionError(
                f"nothing to resume: {run} holds no checkpoint; train without --resume"
            )
        before = TrainConfig.from_json(path.read_text())
        if fields := [k for k, v in vars(config).items() if getattr(before, k) != v]:
            raise OptionError(f"the run in {run} has other values of: {', '.join(fields)}")
    elif processes.first:
        # A run that never came to a checkpoint is in nobody's way.
        if (run / STATE_FILE).exists():
            raise OptionError(
                f"{run} holds a run already: resume it (imfcodec train run SHARD RUN --resume), "
                "or choose another folder"
            )
        run.mkdir(parents=True, exist_ok=True)
        for leftover in (METRICS_FILE, REFERENCES_FILE, f"validation-{REFERENCES_FILE}"):
            (run / leftover).unlink(missing_ok=True)
        path.write_text(config.to_json())


def _requests(
    config: TrainConfig, first: int, largest: int, parts: list[tuple[int, int]]
) -> Iterator[tuple[int, int, int, bool, tuple[int, int]]]:
    """Arguments of `PairSampler.plan` from a step on; pictures are at most ``largest`` pixels."""
    for step in range(first, config.steps):
        stage = config.stage_at(step)
        flow = config.flow > 0 and step / config.steps < config.flow_end
        for part in parts:
            yield step, stage.batch, _side(config, stage.size, largest), flow, part


def _side(config: TrainConfig, size: int, largest: int) -> int:
    """Side of pictures of which E_T sees every pixel and the rest ``size`` pixels."""
    return max(size, min(config.model.token_encoder_side or 0, largest))


def _flow_share(progress: float, config: TrainConfig) -> float:
    return max(0.0, 1 - progress / config.flow_end) if config.flow_end > 0 else 0.0
