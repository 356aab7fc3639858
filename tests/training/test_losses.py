from __future__ import annotations

import pytest
import torch

from imfcodec.metrics.structure import ssim
from imfcodec.training.losses import motion_distance, structure_distance


def test_motion_distance_sees_motion_only() -> None:
    random = torch.Generator().manual_seed(1)
    target, beside = torch.rand(2, 2, 3, 8, 8, generator=random)
    assert motion_distance(target, beside, target, beside) == 0
    # What is wrong in both frames alike is no motion.
    assert motion_distance(target + 0.2, beside + 0.2, target, beside) == pytest.approx(0, abs=1e-6)
    assert motion_distance(target + 0.2, beside, target, beside) == pytest.approx(0.2, abs=1e-6)
    # A frozen picture misses all of it.
    missed = (target - beside).abs().mean()
    assert motion_distance(beside, beside, target, beside) == pytest.approx(float(missed))


def test_structure_is_what_the_metric_calls_ssim() -> None:
    """On grey pictures luma is the picture."""
    generator = torch.Generator().manual_seed(3)
    x = torch.randint(0, 256, (1, 1, 48, 64), generator=generator)
    y = (x + torch.randint(-20, 21, x.shape, generator=generator)).clamp(0, 255)
    pictures = [z[0].permute(1, 2, 0).repeat(1, 1, 3).to(torch.uint8).numpy() for z in (x, y)]
    distance = structure_distance(*(z.repeat(1, 3, 1, 1) / 255 for z in (y, x)))
    assert float(distance) == pytest.approx(1 - ssim(*pictures), abs=1e-4)
    assert float(structure_distance(x.repeat(1, 3, 1, 1) / 255, x.repeat(1, 3, 1, 1) / 255)) < 1e-5
