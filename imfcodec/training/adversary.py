"""The GAN's side of training: the discriminator's steps and its adaptive augmentation."""

from __future__ import annotations

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from imfcodec.training.config import TrainConfig
from imfcodec.training.discriminator import TwoScaleDiscriminator
from imfcodec.training.losses import (
    feature_matching,
    hinge_discriminator,
    hinge_generator,
    r1_penalty,
)
from imfcodec.training.processes import Processes

HORIZON = 50_000  # pictures in which the probability of augmentation can go from 0 to 1


class Adversary:
    """D and what trains it.

    Its pictures are augmented with a probability that follows overfitting (ADA, Karras 2020), so
    that D does not memorise few data. The sign of the real logits tells how sure D is of the
    training pictures; the probability rises while its mean is above the target and falls while it
    is below.

    Attributes:
        judge: D.
        optimiser: Its Adam.
        probability: Of each augmentation, 0 to 1.
        source: Source of the augmentation, seeded by the caller.
    """

    def __init__(self, config: TrainConfig, processes: Processes) -> None:
        judge = TwoScaleDiscriminator()
        self.judge = judge.to(processes.device, memory_format=torch.channels_last)  # type: ignore[call-overload]
        self.optimiser = torch.optim.Adam(
            self.judge.parameters(), config.discriminator_rate, config.betas
        )
        self.probability = 0.0
        self.source = torch.Generator()
        self._config = config
        self._processes = processes
        self._judge_pass = processes.parallel(self.judge)
        self._pairs: list[tuple[Tensor, Tensor]] = []

    def terms(self, picture: Tensor, target: Tensor) -> dict[str, tuple[float, Tensor]]:
        """Weights and terms of the generator's loss, x_hat and x [B, 3, H, W] in 0..1."""
        self.judge.requires_grad_(False)
        fake, real = self._augmented([picture, target])
        logits, fake_features = self.judge(fake)
        _, real_features = self.judge(real)
        self.judge.requires_grad_(True)
        self._pairs.append((target, picture.detach()))
        matching = feature_matching(real_features, fake_features)
        return {
            "gan": (self._config.gan, hinge_generator(logits)),
            "matching": (self._config.feature_matching, matching),
        }

    def learn(self, batch: int, penalise: bool) -> dict[str, Tensor]:
        """One step of D on the pictures that `terms` has seen since the last one.

        Args:
            batch: Pairs in the step, of all processes.
            penalise: Whether the R1 penalty is due.

        Returns:
            Figures for the log; none without pictures.
        """
        if not self._pairs:
            return {}
        config = self._config
        figures: dict[str, Tensor] = {}
        for target, picture in self._pairs:
            real, fake = self._augmented([target, picture])
            real = real.requires_grad_(penalise)
            logits, _ = self._judge_pass(torch.cat([real, fake]))
            real_logits = [x[: len(real)] for x in logits]
            loss = hinge_discriminator(real_logits, [x[len(real) :] for x in logits])
            figures["judge"] = loss.detach()
            self._observe(real_logits, batch)
            if penalise:
                penalty = r1_penalty(real_logits, real)
                figures["r1"] = penalty.detach()
                loss = loss + config.r1 * config.r1_every * penalty
            (loss / config.accumulate).backward()
        self._pairs.clear()
        norm = nn.utils.clip_grad_norm_(self.judge.parameters(), 10.0)
        if torch.isfinite(norm):
            self.optimiser.step()
        self.optimiser.zero_grad(set_to_none=True)
        figures["ada"] = torch.tensor(self.probability)
        return figures

    def _observe(self, real_logits: list[Tensor], pictures: int) -> None:
        """Adjust the probability of augmentation to a batch of so many pictures."""
        # All processes use one probability, so that their augmentation is alike.
        sureness = torch.cat([x.detach().flatten() for x in real_logits]).sign().mean()
        sure = float(self._processes.mean(sureness)) > self._config.ada_target
        change = pictures / HORIZON * (1 if sure else -1)
        self.probability = min(1.0, max(0.0, self.probability + change))

    def _augmented(self, pictures: list[Tensor]) -> list[Tensor]:
        """Augment batches of [B, 3, H, W] in 0..1 alike, so that real and fake can be compared."""
        if self.probability == 0:
            return pictures
        b = len(pictures[0])
        device = pictures[0].device
        chosen = torch.rand((4, b), generator=self.source) < self.probability
        draws = torch.rand((5, b), generator=self.source) * 2 - 1
        angle = draws[0] * chosen[0] * 0.35  # radians
        zoom = torch.exp(draws[1] * chosen[0] * 0.2)
        shift = draws[2:4] * chosen[1] * 0.25
        cos, sin = torch.cos(angle) * zoom, torch.sin(angle) * zoom
        theta = torch.stack(
            [torch.stack([cos, -sin, shift[0]], 1), torch.stack([sin, cos, shift[1]], 1)], 1
        ).to(device)
        gain = torch.exp(draws[4] * chosen[2] * 0.3).to(device)[:, None, None, None]
        flip = (chosen[3] & (draws[0] > 0)).to(device)[:, None, None, None]

        def one(x: Tensor) -> Tensor:
            grid = F.affine_grid(theta.to(x.dtype), list(x.shape), align_corners=False)
            x = F.grid_sample(x, grid, padding_mode="reflection", align_corners=False)
            return (torch.where(flip, x.flip(-1), x) - 0.5) * gain + 0.5

        return [one(x) for x in pictures]
