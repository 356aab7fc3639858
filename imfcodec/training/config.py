"""The configuration of a training run."""

from __future__ import annotations

import dataclasses
import json
from dataclasses import dataclass
from typing import Any

from imfcodec.config import FAST, ModelConfig
from imfcodec.errors import OptionError


@dataclass(frozen=True)
class Stage:
    """One stage of progressive training.

    Attributes:
        size: Side of the pictures in pixels.
        batch: Pairs per step, over all processes and accumulation steps.
        steps: Optimiser steps.
    """

    size: int
    batch: int
    steps: int

    def __post_init__(self) -> None:
        if self.size < 32 or self.size % 32:
            raise OptionError(f"a stage's size must be a multiple of 32, not {self.size}")
        if self.batch < 2 or self.steps < 1:
            raise OptionError("a stage needs a batch of 2 or more and at least one step")


@dataclass(frozen=True)
class TrainConfig:
    """Written to ``config.json`` in the run's folder; a resumed run must agree with it.

    Attributes:
        stages: Progressive sizes, in order.
        model: Sizes of the network.
        seed: Seed of weights, pairs, augmentation and noise. Batch n depends on seed and n only.
        learning_rate: Peak rate of the generator; linear warm-up, cosine down to a twentieth.
        discriminator_rate: Rate of the discriminator.
        warmup_steps: Steps of the linear warm-up.
        betas: Betas of Adam, for generator and discriminator.
        clip_norm: Largest norm of the generator's gradient.
        ema: Decay of the averaged weights, which are the ones exported.
        l1: Weight of the L1 term, mean over three octaves.
        face_weight: Weight of errors in the eyes and the mouth in the L1 and motion terms, relative
            to the rest of the picture; 1 or more. The weights of a picture have a mean of 1.
        perceptual: Weight of the perceptual term.
        perceptual_net: "squeeze" or "alex" (LPIPS), "vgg" (the paper's, four scales), or a sum of
            them: "squeeze+vgg".
        structure: Weight of 1 - SSIM of the luma.
        gan: Weight of the hinge GAN term after `gan_start`.
        feature_matching: Weight of feature matching after `gan_start`.
        gan_start: Share of all steps before the GAN starts; 1 means no GAN.
        r1: Weight of the R1 penalty, taken every ``r1_every`` steps.
        r1_every: See ``r1``.
        ada_target: Target of the sign of the discriminator's real logits (ADA).
        flow: Weight of optical-flow supervision; it falls linearly to 0.
        flow_end: Share of all steps at which it reaches 0.
        motion: Weight of the error of the difference between a frame and its neighbour; it costs
            a second pass through the receiver's network.
        motion_start: Share of all steps before the motion term starts.
        rate: Weight of a bit of token rate (the lambda of rate against quality).
        noise_steps: Steps over which quantisation noise rises to full strength.
        decoded_references: Share of references that are AV1-decoded key frames.
        hard: Share of targets that are the most different of three candidates.
        near: Share of targets at most ``near_frames`` frames of the shard away from their
            reference, as in a stream whose references are renewed often.
        near_frames: See ``near``.
        still: Share of targets that are the frame of their reference.
        sent: Share of the steps that use pairs and tokens of a sender (`imfcodec train tokens`);
            E_T learns nothing in them.
        renormalise: Whether tokens are normalised by running statistics (see
            `model.token_normalisation`) instead of by those of each batch.
        affine: Share of the pairs that are rotated, zoomed, sheared and shifted as a whole.
        recolour: Strength of changes of brightness, tint and saturation, 0 to 1.
        minutes: Time limit of the whole run, including resumed parts; None for no limit. The
            schedules of learning rate, GAN and flow weight then follow steps or minutes, whichever
            is nearer its end, so that they are complete when the time is over. Such a run is not
            reproducible bit for bit.
        accumulate: Passes per optimiser step.
        precision: "fp32", "bf16" or "fp16" (autocast; fp16 with a loss scaler).
        compile: Whether torch.compile is used.
        checkpoint_steps: Steps between checkpoints.
        log_steps: Steps between log lines.
    """

    stages: tuple[Stage, ...]
    model: ModelConfig = FAST
    seed: int = 0
    learning_rate: float = 2e-4
    discriminator_rate: float = 1e-4
    warmup_steps: int = 200
    betas: tuple[float, float] = (0.9, 0.999)
    clip_norm: float = 1.0
    ema: float = 0.999
    l1: float = 10.0
    face_weight: float = 5.0
    perceptual: float = 2.0
    perceptual_net: str = "squeeze"
    structure: float = 0.0
    gan: float = 0.1
    feature_matching: float = 1.0
    gan_start: float = 1.0
    r1: float = 1.0
    r1_every: int = 16
    ada_target: float = 0.6
    flow: float = 1.0
    flow_end: float = 0.5
    motion: float = 0.0
    motion_start: float = 0.0
    rate: float = 0.0005
    noise_steps: int = 600
    decoded_references: float = 0.6
    hard: float = 0.5
    near: float = 0.0
    near_frames: int = 20
    still: float = 0.0
    sent: float = 0.0
    renormalise: bool = False
    affine: float = 0.2
    recolour: float = 1.0
    minutes: float | None = None
    accumulate: int = 1
    precision: str = "fp32"
    compile: bool = False
    checkpoint_steps: int = 500
    log_steps: int = 50

    def __post_init__(self) -> None:
        if not self.stages:
            raise OptionError("training needs at least one stage")
        if self.precision not in ("fp32", "bf16", "fp16"):
            raise OptionError(f"precision must be fp32, bf16 or fp16, not {self.precision!r}")
        for net in self.perceptual_net.split("+"):
            if net not in ("squeeze", "alex", "vgg"):
                raise OptionError(f"a perceptual net must be squeeze, alex or vgg, not {net!r}")
        if min(self.log_steps, self.checkpoint_steps) < 1 or self.warmup_steps < 0:
            raise OptionError(
                "steps between log lines and checkpoints are at least 1, those of the warm-up 0"
            )
        if not 0 <= self.recolour <= 1:
            raise OptionError(f"recolour is 0 to 1, not {self.recolour}")
        if not 0 <= self.sent <= 1:
            raise OptionError(f"sent is a share, 0 to 1, not {self.sent}")
        if not self.face_weight >= 1:
            raise OptionError(f"the face weight must be 1 or more, not {self.face_weight}")
        if self.minutes is not None and not self.minutes > 0:
            raise OptionError(f"a run of {self.minutes} minutes trains nothing")
        if self.accumulate < 1 or any(s.batch % self.accumulate for s in self.stages):
            raise OptionError("every stage's batch must be a multiple of the accumulation steps")

    @property
    def steps(self) -> int:
        """Steps of all stages."""
        return sum(s.steps for s in self.stages)

    def stage_at(self, step: int) -> Stage:
        """The stage that step ``step`` (from 0) belongs to."""
        for stage in self.stages:
            if step < stage.steps:
                return stage
            step -= stage.steps
        return self.stages[-1]

    def to_json(self) -> str:
        """Readable JSON, stable order."""
        return json.dumps(dataclasses.asdict(self), indent=1) + "\n"

    @classmethod
    def from_json(cls, text: str) -> TrainConfig:
        """Read what `to_json` wrote.

        Raises:
            OptionError: The text is not such a configuration.
        """
        try:
            # A run that says nothing of faces gives them no weight.
            fields: dict[str, Any] = {"face_weight": 1.0} | json.loads(text)
            fields["stages"] = tuple(Stage(**s) for s in fields["stages"])
            fields["model"] = ModelConfig.from_json(json.dumps(fields["model"]))
            fields["betas"] = tuple(fields["betas"])
            return cls(**fields)
        except (KeyError, TypeError, ValueError) as error:
            raise OptionError(f"unreadable training configuration: {error}") from error
