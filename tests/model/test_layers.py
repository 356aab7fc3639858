from __future__ import annotations

import torch
import torch.nn.functional as F

from imfcodec.model.layers import unfold_pixels


def test_unfolding_draws_no_grid() -> None:
    grid = torch.zeros(1, 12, 16, 16)
    grid[:, 1::4] = 0.2  # one pixel of every fold brighter than the others
    flat = unfold_pixels(grid)
    assert torch.allclose(flat, torch.full_like(flat, 0.05), atol=1e-6)


def test_unfolding_keeps_detail_and_every_folds_mean() -> None:
    torch.manual_seed(0)
    folded = torch.randn(2, 12, 16, 16)
    picture, plain = unfold_pixels(folded), F.pixel_shuffle(folded, 2)
    assert torch.allclose(F.avg_pool2d(picture, 2), F.avg_pool2d(plain, 2), atol=1e-6)
    assert (picture - plain).square().mean() < 0.1 * plain.square().mean()
