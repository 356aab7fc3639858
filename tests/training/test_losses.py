from __future__ import annotations

import pytest
import torch

from imfcodec.training.losses import motion_distance


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
