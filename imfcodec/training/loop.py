"""The training loop, from top to bottom."""

from __future__ import annotations

import copy
import math
import time
from collections.abc import Callable, Iterator
from contextlib import closing, nullcontext, suppress
from functools import partial
from pathlib import Path
from queue import Full, Queue
from threading import Event, Thread
from typing import Any

import torch
from torch import Tensor, nn

from imfcodec.errors import OptionError, Stopped
from imfcodec.training.ada import AdaptiveAugmentation
from imfcodec.training.averaging import follow
from imfcodec.training.checkpoint import STATE_FILE, load_initial, load_state, save_state
from imfcodec.training.config import TrainConfig
from imfcodec.training.data import Batch, PairSampler, Shard, planner
from imfcodec.training.discriminator import TwoScaleDiscriminator
from imfcodec.training.losses import (
    feature_matching,
    flow_distance,
    hinge_discriminator,
    hinge_generator,
    motion_distance,
    pyramid_l1,
    r1_penalty,
    structure_distance,
)
from imfcodec.training.perceptual_loss import PerceptualLoss
from imfcodec.training.planners import ahead, planners_for
from imfcodec.training.precision import autocast
from imfcodec.training.processes import Processes, join
from imfcodec.training.quantisation import warm_in
from imfcodec.training.restoration import load_restoration
from imfcodec.training.restored_references import REFERENCES_FILE, restore_references
from imfcodec.training.run_log import METRICS_FILE, RunLog, paced, time_left_s
from imfcodec.training.schedule import warm_cosine
from imfcodec.training.trainee import Trainee, reduce_to, token_noise
from imfcodec.training.utilisation import FlopMeter, peak_flops
from imfcodec.training.validation import Validation

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
        restoration: R, as written by `train_restoration`; None takes that of ``initial``, if it
            has one. R is not trained further.
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
    if restoration is not None:
        load_restoration(restoration, trainee.imf.restoration)
    if trainee.imf.restoration:
        trainee.imf.restoration.requires_grad_(False)
    trainee.imf.latent_token_encoder.normalise.mean_over_processes = processes.mean
    trainee.imf.latent_token_encoder.normalise.renormalise = config.renormalise
    judge = TwoScaleDiscriminator().to(device, memory_format=torch.channels_last)  # type: ignore[call-overload]
    ema = _average_of(trainee)
    optimiser = torch.optim.Adam(trainee.parameters(), config.learning_rate, config.betas)
    judge_optimiser = torch.optim.Adam(judge.parameters(), config.discriminator_rate, config.betas)
    ada = AdaptiveAugmentation(config.ada_target)
    modules: dict[str, nn.Module] = {"trainee": trainee, "judge": judge, "ema": ema}
    optimisers: dict[str, torch.optim.Optimizer] = {
        "adam": optimiser,
        "judge_adam": judge_optimiser,
    }
    scaler = torch.amp.GradScaler(device.split(":")[0], enabled=config.precision == "fp16")
    step, skipped, spent_before_s = 0, 0, 0.0
    if resume:
        numbers = load_state(run, modules, optimisers, device)
        step, skipped = int(numbers["step"]), int(numbers["skipped"])
        spent_before_s, ada.probability = numbers["spent_s"], numbers["ada"]
        scaler.load_state_dict({k: numbers[f"scaler/{k}"] for k in scaler.state_dict()})

    def save() -> None:
        spent_s = spent_before_s + time.monotonic() - begun
        numbers = {"step": step, "skipped": skipped, "spent_s": spent_s, "ada": ada.probability}
        numbers |= {f"scaler/{k}": v for k, v in scaler.state_dict().items()}
        save_state(run, modules, optimisers, numbers)

    plain_pass = _parallel(trainee, processes)
    generator_pass = torch.compile(plain_pass) if config.compile else plain_pass
    judge_pass = _parallel(judge, processes)
    distance = PerceptualLoss(config.perceptual_net).to(device) if config.perceptual else None
    material = _material(shard, run / REFERENCES_FILE, trainee, config, processes, say)
    sampler = PairSampler(material, config, device)
    check = None
    if validation and processes.first:
        held_out = _restored(
            validation, run / f"validation-{REFERENCES_FILE}", trainee, config, device, say
        )
        check = Validation(held_out, config, device)
    flops, peak = FlopMeter(), peak_flops(device, config.precision)
    log = RunLog(run, step, peak, wandb) if processes.first else None
    if workers is None:
        workers = planners_for(device, processes.count)
    batches = _prefetch(sampler, config, step, processes, workers)
    noise_source, look_source = torch.Generator(), torch.Generator()
    pieces = processes.count * config.accumulate
    last: dict[str, float] = {}
    saved = step if resume else None
    first_step, started = step, time.monotonic()
    limits_s = [60 * minutes] if minutes is not None else []
    if config.minutes is not None:
        limits_s.append(60 * config.minutes - spent_before_s)

    def interrupted() -> None:
        if processes.first and step > first_step:
            save()
            say(f"stopped after step {step}; the checkpoint is in {run}: go on with --resume")

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
            look_source.manual_seed(config.seed * 1_000_003 + step + 500_000_000)
            for group in optimiser.param_groups:
                group["lr"] = config.learning_rate * warm_cosine(
                    step, config.warmup_steps, progress
                )

            amount = warm_in(step, 0, config.noise_steps)
            wait_s = 0.0
            whole_noise: list[Tensor] = []
            terms: dict[str, Tensor] = {}
            pairs: list[tuple[Tensor, Tensor]] = []
            for part in range(config.accumulate):
                waited = time.monotonic()
                batch = next(batches)
                wait_s += time.monotonic() - waited
                if not part:
                    references, size = len(batch.references), config.model.token_size
                    whole_noise = token_noise(noise_source, stage.batch, references, size, amount)
                    kinds = (batch.flow is None, batch.sent is None, gan_on, penalise, moving)
                    flops.begin((stage, references, *kinds))
                piece = (processes.index + part * processes.count, pieces)
                noise = [n[piece[0] :: piece[1]].to(device) for n in whole_noise]
                last_part = part == config.accumulate - 1
                # Operations are counted on the network as it is written.
                forward = plain_pass if flops.counting else generator_pass
                with _synchronised(plain_pass, last_part), autocast(device, config.precision):
                    rebuilt = forward(batch, stage.size, noise, moving)
                    target = reduce_to(batch.current, stage.size)
                    picture = rebuilt.picture.float()
                    some = {
                        "l1": pyramid_l1(picture, target),
                        "bits": rebuilt.bits,
                    }
                    lagrangian = config.rate * warm_in(step, config.noise_steps, 2000)
                    loss = config.l1 * some["l1"] + lagrangian * some["bits"]
                    if distance:
                        some["perceptual"] = distance(picture, target, step)
                        loss = loss + config.perceptual * some["perceptual"]
                    if config.structure:
                        some["structure"] = structure_distance(picture, target)
                        loss = loss + config.structure * some["structure"]
                    if batch.flow is not None and len(rebuilt.displacement):
                        some["flow"] = flow_distance(rebuilt.displacement.float(), batch.flow)
                        loss = loss + config.flow * _flow_weight(progress, config) * some["flow"]
                    if moving:
                        beside = rebuilt.neighbour.float()
                        target_beside = reduce_to(batch.neighbour, stage.size)
                        some["motion"] = motion_distance(picture, beside, target, target_beside)
                        loss = loss + config.motion * some["motion"]
                    if gan_on:
                        judge.requires_grad_(False)
                        fake_look, real_look = ada.apply([picture, target], look_source)
                        fake_logits, fake_features = judge(fake_look)
                        _, real_features = judge(real_look)
                        some["gan"] = hinge_generator(fake_logits)
                        some["matching"] = feature_matching(real_features, fake_features)
                        loss = (
                            loss
                            + config.gan * some["gan"]
                            + config.feature_matching * some["matching"]
                        )
                        judge.requires_grad_(True)
                        pairs.append((target, picture.detach()))
                    scaler.scale(loss / config.accumulate).backward()
                for name, value in some.items():
                    terms[name] = terms.get(name, 0.0) + value.detach() / config.accumulate
            terms["spread"] = rebuilt.token.detach().std(0).mean()
            terms["step_size"] = trainee.quantiser.step.detach().mean()

            scaler.unscale_(optimiser)
            norm = nn.utils.clip_grad_norm_(trainee.parameters(), config.clip_norm)
            if torch.isfinite(norm):
                scaler.step(optimiser)
                follow(ema, trainee, step, config.ema)
            else:
                skipped += 1
            scaler.update()
            optimiser.zero_grad(set_to_none=True)

            for target, fake in pairs:
                real, fake = ada.apply([target, fake], look_source)
                real = real.requires_grad_(penalise)
                logits, _ = judge_pass(torch.cat([real, fake]))
                real_logits = [x[: len(real)] for x in logits]
                judge_loss = hinge_discriminator(real_logits, [x[len(real) :] for x in logits])
                terms["judge"] = judge_loss.detach()
                # All processes use one probability, so that their augmentation is alike.
                sureness = torch.cat([x.detach().flatten() for x in real_logits]).sign().mean()
                ada.observe(float(processes.mean(sureness)), stage.batch)
                if penalise:
                    penalty = r1_penalty(real_logits, real)
                    terms["r1"] = penalty.detach()
                    judge_loss = judge_loss + config.r1 * config.r1_every * penalty
                (judge_loss / config.accumulate).backward()
            if pairs:
                terms["ada"] = torch.tensor(ada.probability)
                judge_norm = nn.utils.clip_grad_norm_(judge.parameters(), 10.0)
                if torch.isfinite(judge_norm):
                    judge_optimiser.step()
                judge_optimiser.zero_grad(set_to_none=True)

            flops.end()
            step += 1
            if log:
                log.add(step, stage.batch, wait_s, flops.take(), terms)
            if log and (step % config.log_steps == 0 or step == config.steps):
                figures = check.measure(ema, stage.size) if check else {}
                last = log.write(
                    {
                        "skipped": skipped,
                        "learning_rate": optimiser.param_groups[0]["lr"],
                        **figures,
                    }
                )
                if check:
                    log.pictures(check.samples(ema, stage.size), check.tokens(ema))
                elapsed_s = time.monotonic() - started
                most_s = min(limits_s, default=math.inf) - (started - begun)
                left_s = time_left_s(
                    step - first_step, config.steps - first_step, elapsed_s, most_s
                )
                say(log.line(last, config.steps, left_s))
            early = saved is None and time.monotonic() - begun >= FIRST_CHECKPOINT_S
            if processes.first and (early or step % config.checkpoint_steps == 0):
                save()
                saved = step
    except (KeyboardInterrupt, Stopped):
        interrupted()
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
        if fields := config.difference(TrainConfig.from_json(path.read_text())):
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


def _material(
    shard: Path,
    references: Path,
    trainee: Trainee,
    config: TrainConfig,
    processes: Processes,
    say: Callable[[str], None],
) -> Shard:
    """The shard with restored references, which the first process restores for all."""
    if processes.first:
        _restored(shard, references, trainee, config, processes.device, say)
    processes.largest(0.0)  # all wait for it
    return _restored(shard, references, trainee, config, processes.device, say)


def _restored(
    shard: Path,
    references: Path,
    trainee: Trainee,
    config: TrainConfig,
    device: str,
    say: Callable[[str], None],
) -> Shard:
    material = Shard(shard)
    if trainee.imf.restoration and trainee.imf.restoration.trained:
        restore_references(
            trainee.imf.restoration,
            material,
            references,
            device,
            config.precision,
            paced("restoring key frames", say),
        )
    return material


def _prefetch(
    sampler: PairSampler, config: TrainConfig, first: int, processes: Processes, workers: int
) -> Iterator[Batch]:
    """Batches from a prefetch thread, so that reading does not delay computing.

    With accumulation, the batch of a step is divided further, each part a batch of its own.
    """
    queue: Queue[Batch | BaseException] = Queue(maxsize=2)
    over = Event()
    side = config.model.token_encoder_side or 0
    pieces = processes.count * config.accumulate

    def requests() -> Iterator[tuple[int, int, int, bool, tuple[int, int]]]:
        for step in range(first, config.steps):
            stage = config.stage_at(step)
            size = max(stage.size, min(side, sampler.shard.size))
            flow = config.flow > 0 and step / config.steps < config.flow_end
            for part in range(config.accumulate):
                piece = (processes.index + part * processes.count, pieces)
                yield step, stage.batch, size, flow, piece

    def work() -> None:
        try:
            plan = partial(planner, sampler.shard, config)
            with closing(ahead(plan, requests(), workers)) as planned:
                for pairs in planned:
                    batch = sampler.load(pairs)
                    while not over.is_set():
                        with suppress(Full):
                            queue.put(batch, timeout=1)
                            break
                    if over.is_set():
                        return
        except BaseException as error:
            queue.put(error)

    Thread(target=work, daemon=True).start()
    try:
        while True:
            item = queue.get()
            if isinstance(item, BaseException):
                raise item
            yield item
    finally:
        over.set()


def _flow_weight(progress: float, config: TrainConfig) -> float:
    return max(0.0, 1 - progress / config.flow_end) if config.flow_end > 0 else 0.0


def _average_of(trainee: Trainee) -> Trainee:
    average = copy.deepcopy(trainee).eval().requires_grad_(False)
    average.imf.latent_token_encoder.normalise.mean_over_processes = None
    return average


def _parallel(module: nn.Module, processes: Processes) -> Any:
    if processes.count == 1:
        return module
    return nn.parallel.DistributedDataParallel(module, find_unused_parameters=True)


def _synchronised(module: Any, now: bool) -> Any:
    """Processes exchange gradients only in the last pass of a step."""
    parallel = isinstance(module, nn.parallel.DistributedDataParallel)
    return nullcontext() if now or not parallel else module.no_sync()
