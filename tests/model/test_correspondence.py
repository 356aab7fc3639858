from __future__ import annotations

import torch

from imfcodec.model.correspondence import LEAK, STILL, Warp


def steadied(length: float) -> torch.Tensor:
    displacement = torch.tensor([0.6, -0.8]).view(1, 2, 1, 1) * length
    return Warp(displacement, torch.ones(1, 1, 1, 1)).steadied().displacement.norm() / length


def test_what_moves_moves_and_what_trembles_stands_still() -> None:
    assert steadied(8 * STILL) > 0.999
    assert steadied(0.3 * STILL) < 1.2 * LEAK
    shares = [float(steadied(x * STILL)) for x in (0.01, 0.5, 1, 2, 4)]
    assert shares == sorted(shares)


def test_training_can_leave_rest() -> None:
    displacement = torch.zeros(1, 2, 4, 4, requires_grad=True)
    Warp(displacement, torch.ones(1, 1, 4, 4)).steadied().displacement.sum().backward()
    assert displacement.grad is not None
    assert torch.allclose(displacement.grad, torch.full_like(displacement, LEAK))
