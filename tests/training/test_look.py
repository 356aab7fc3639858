"""Augmentation moves pictures and optical flow alike; landmarks show flow the way."""

from __future__ import annotations

import math

import numpy as np
import pytest
import torch
import torch.nn.functional as F

from imfcodec.model.correspondence import sample
from imfcodec.training.landmarks import coarse_flow
from imfcodec.training.look import Affine, Look
from imfcodec.training.losses import LUMA

SIDE = 64
LOOKS = [
    Look(False, (1.0, 1.0, 1.0), 0.0),
    Look(True, (1.0, 1.0, 1.0), 0.0),
    Look(False, (1.0, 1.0, 1.0), 0.0, Affine(0.2, 0.1, 0.05, -0.06, 0.08, -0.05)),
    Look(True, (1.0, 1.0, 1.0), 0.0, Affine(-0.15, -0.1, 0.03, 0.04, -0.06, 0.08)),
]


def smooth_picture(batch: int) -> torch.Tensor:
    torch.manual_seed(0)
    coarse = torch.rand(1, 3, 8, 8).expand(batch, -1, -1, -1)
    return F.interpolate(coarse, (SIDE, SIDE), mode="bicubic").clamp(0.1, 0.9)


def test_flow_follows_the_picture() -> None:
    """x_c = x_r seen through the flow holds after both have been moved, where flow is trusted."""
    reference = smooth_picture(len(LOOKS))
    x = torch.linspace(0, math.pi, SIDE)
    flow = torch.stack([0.05 * torch.sin(x).expand(SIDE, SIDE), 0.03 * x[:, None].cos() * x.sin()])
    flow = flow.expand(len(LOOKS), -1, -1, -1).contiguous()
    current = sample(reference, flow)
    trust = torch.ones(len(LOOKS), 1, SIDE, SIDE)
    trust[..., :4] = trust[..., -4:] = trust[:, :, :4] = trust[:, :, -4:] = 0

    moved = [Look.apply(LOOKS, picture) for picture in (current, reference)]
    changed = Look.apply_to_flow(LOOKS, torch.cat([flow, trust], 1))
    new_flow, new_trust = changed[:, :2], changed[:, 2:]
    error = (sample(moved[1], new_flow) - moved[0]).abs().mean(1, keepdim=True)
    still = (moved[1] - moved[0]).abs().mean(1, keepdim=True)
    for n in range(len(LOOKS)):
        inside = new_trust[n] > 0
        assert inside.float().mean() > 0.5
        assert error[n][inside].mean() < 0.1 * still[n][inside].mean(), n


def test_weights_stay_on_their_pixels() -> None:
    """A bright patch with a weight has it afterwards as well."""
    picture = torch.full((len(LOOKS), 3, SIDE, SIDE), 0.2)
    weights = torch.ones(len(LOOKS), 1, SIDE, SIDE)
    picture[..., 20:32, 12:28], weights[..., 20:32, 12:28] = 0.8, 5.0
    bright = Look.apply(LOOKS, picture)[:, :1] > 0.5
    heavy = Look.apply_to_weights(LOOKS, weights) > 3
    assert bright.sum((1, 2, 3)).min() > 100
    assert (bright != heavy).float().mean() < 0.005


def test_share_of_the_moved() -> None:
    rng = np.random.default_rng(0)
    assert not any(Look.draw(rng, 0.0).affine for _ in range(50))
    assert 60 < sum(Look.draw(rng, 0.5).affine is not None for _ in range(200)) < 140


def test_colours_stay_where_they_are_to() -> None:
    rng = np.random.default_rng(0)
    picture = smooth_picture(4)
    looks = [Look.draw(rng, 0.0, 0.0) for _ in range(4)]
    flips = torch.tensor([look.flip for look in looks])[:, None, None, None]
    expected = torch.where(flips, picture.flip(-1), picture)
    assert (Look.apply(looks, picture) - expected).abs().max() < 1e-6
    changed = Look.apply([Look.draw(rng, 0.0) for _ in range(4)], picture)
    assert (changed.mean((2, 3)) - picture.mean((2, 3))).abs().max() > 0.02


def test_saturation_leaves_luma_alone() -> None:
    picture = smooth_picture(2) * 0.4 + 0.3
    grey, loud = (Look(False, (1.0, 1.0, 1.0), 0.0, None, s) for s in (0.0, 1.5))
    changed = Look.apply([grey, loud], picture)
    weights = torch.tensor(LUMA).view(3, 1, 1)
    assert ((changed - picture) * weights).sum(1).abs().max() < 1e-5
    spread, before = changed.std(1).mean((1, 2)), picture.std(1).mean((1, 2))
    assert spread[0] < 1e-5
    assert spread[1] > 1.4 * before[1]


def test_pictures_that_stay_are_left_bit_for_bit() -> None:
    picture = smooth_picture(len(LOOKS))
    alone = Look.apply(LOOKS[:1], picture[:1])
    assert torch.equal(Look.apply(LOOKS, picture)[0], alone[0])


def test_coarse_flow_takes_landmarks_to_landmarks() -> None:
    here = np.array([0.46, 0.46, 0.54, 0.46, 0.5, 0.5, 0.47, 0.54, 0.53, 0.54], np.float32)
    turn = 1.1 * np.exp(0.3j)
    there = (here[0::2] - 0.5 + 1j * (here[1::2] - 0.5)) * turn + 0.53 + 0.51j
    reference = np.stack([there.real, there.imag], 1).astype(np.float32).flatten()
    flow = coarse_flow(here, reference, 128)
    for k in range(5):
        x, y = (here[2 * k : 2 * k + 2] * 128).astype(int)
        # The flow of the cell whose centre is half a cell from its corner.
        error = flow[y, x] / 128 - (reference - here)[2 * k : 2 * k + 2]
        assert np.abs(error).max() < 0.01
    assert np.abs(flow[:6, :6]).max() == 0
    for nothing in (np.nan, 0.5):  # no face; a face that is but a point
        assert np.abs(coarse_flow(np.full(10, nothing, np.float32), reference, 32)).max() == 0


@pytest.mark.parametrize("known", [True, False])
def test_landmarks_help_the_flow(known: bool) -> None:
    """A face that moved far over a plain ground is found again, once its landmarks are known."""
    from imfcodec.training.optical_flow import optical_flow

    rng = np.random.default_rng(1)
    texture = rng.integers(40, 220, (20, 20, 3)).repeat(3, 0).repeat(3, 1)
    pictures = []
    for left in (10, 130):
        picture = np.full((256, 256, 3), 128, np.uint8)
        picture[90:150, left : left + 60] = texture
        pictures.append(picture)
    here = np.array([30, 110, 50, 110, 40, 120, 32, 130, 48, 130], np.float32) / 256
    there = here + np.tile(np.array([120 / 256, 0], np.float32), 5)
    landmarks = [(here, there)] if known else None
    flow = optical_flow([pictures[0]], [pictures[1]], landmarks)
    found = abs(float(flow[0, 0, 30, 10]) - 120 / 256) < 0.01
    assert found == known
