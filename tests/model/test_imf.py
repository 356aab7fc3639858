"""Shapes, cost, the identity start and sizes of the network."""

from __future__ import annotations

import dataclasses

import pytest
import torch
from torch.utils.flop_counter import FlopCounterMode

from imfcodec.config import FAST, PAPER, PRESETS, ModelConfig
from imfcodec.model.imf import IMF
from tests.tiny import TINY, tiny_model


def build(config: ModelConfig) -> IMF:
    torch.manual_seed(0)
    return IMF(config).eval().requires_grad_(False)


def gmac(run) -> float:
    """Multiply-adds of a call in units of 10^9, the attention's own products included."""
    # CPU's fused attention is no counted operator; its decomposition into products is.
    with (
        FlopCounterMode(display=False) as counter,
        torch.nn.attention.sdpa_kernel(torch.nn.attention.SDPBackend.MATH),
    ):
        run()
    return counter.get_total_flops() / 2e9


def test_fast_costs_what_it_may() -> None:
    model = build(FAST)
    picture = torch.rand(1, 3, 256, 256)
    token = model.encode_token(picture, picture)
    reference = model.reference(picture, token)
    per_frame = gmac(lambda: model.reconstruct(token, reference))
    per_token = gmac(lambda: model.encode_token(picture, picture))
    assert model.restoration is not None
    once_per_key_frame = sum(p.numel() for p in model.restoration.parameters())
    parameters = sum(p.numel() for p in model.parameters())
    assert 0.5 < per_frame <= 6
    assert 0.05 < per_token <= 1.5
    assert once_per_key_frame <= 10e6
    assert parameters - once_per_key_frame <= 12e6


def test_untrained_fast_network_returns_its_reference() -> None:
    model = build(FAST)
    pictures = torch.rand(2, 3, 64, 96)
    tokens = torch.randn(2, 32)
    result = model(tokens, pictures, torch.randn(2, 32))
    assert (result.picture - pictures).abs().max() < 1e-4  # a fortieth of a level
    assert result.warp.displacement.abs().max() == 0
    assert (result.warp.visibility == 1).all()


@pytest.mark.parametrize("size", [(32, 32), (64, 96), (128, 64), (96, 160)])
def test_any_multiple_of_32(size: tuple[int, int]) -> None:
    model = tiny_model()
    picture = torch.rand(1, 3, *size)
    token = model.encode_token(picture, picture)
    assert token.shape == (1, TINY.token_size)
    assert model(token, picture, token).picture.shape == picture.shape


@pytest.mark.parametrize("token_size", [16, 32, 64, 128])
def test_token_size_is_a_parameter(token_size: int) -> None:
    model = build(dataclasses.replace(TINY, token_size=token_size))
    picture = torch.rand(2, 3, 64, 64)
    token = model.encode_token(picture, picture)
    assert token.shape == (2, token_size)
    assert model(token, picture, token).picture.shape == picture.shape


def test_frames_do_not_see_each_other() -> None:
    """C2: a frame depends on its reference and its own token only."""
    model = tiny_model()
    picture = torch.rand(1, 3, 64, 64)
    reference = model.reference(picture, torch.randn(1, 16))
    tokens = torch.randn(5, 16)
    together = model.reconstruct(tokens, reference.expand(5)).picture
    for n in range(5):
        alone = model.reconstruct(tokens[n : n + 1], reference).picture
        assert (together[n] - alone[0]).abs().max() < 1e-4


def test_every_parameter_learns() -> None:
    """Backward: no part of the network is cut off from the loss."""
    model = tiny_model().requires_grad_(True)
    picture = model.restore(torch.rand(2, 3, 64, 64))
    token, key = (model.encode_token(torch.rand(2, 3, 64, 64), picture) for _ in range(2))
    model(token, picture, key).picture.square().mean().backward()
    silent = [n for n, p in model.named_parameters() if p.grad is None or not p.grad.any()]
    assert silent == []


def test_paper_preset_shapes_forward_and_backward() -> None:
    """The supplement's sizes at 256x256. Shapes need no values, of which this network has many."""
    with torch.device("meta"):
        model = IMF(PAPER)
        picture = torch.rand(1, 3, 256, 256)
        token = torch.randn(1, 32)
    features = model.dense_feature_encoder(picture)
    assert {s: tuple(f.shape[1:]) for s, f in features.items()} == {
        2: (64, 128, 128),
        4: (128, 64, 64),
        8: (256, 32, 32),
        16: (512, 16, 16),
        32: (512, 8, 8),
    }
    motions = model.latent_token_decoder(token)
    assert [m.shape[-1] for m in motions] == [8, 16, 32, 64]
    model.eval()  # normalisation over a batch of one token is no statistic
    encoded = model.encode_token(picture, picture)
    assert encoded.shape == (1, 32)
    result = model(encoded, picture, token)
    assert result.picture.shape == (1, 3, 256, 256)
    result.picture.mean().backward()
    assert all(p.grad is not None for p in model.parameters())


def test_configuration_round_trip() -> None:
    for config in PRESETS.values():
        assert ModelConfig.from_json(config.to_json()) == config


@pytest.mark.parametrize("size", [(320, 352), (352, 320), (1056, 512), (64, 1024)])
def test_token_encoder_takes_any_multiple_of_32(size: tuple[int, int]) -> None:
    """Whatever it reduces the picture to must halve as often as its stages do."""
    encoder = IMF(FAST).eval().latent_token_encoder
    with torch.inference_mode():
        assert encoder(torch.rand(1, 3, *size), torch.rand(1, 3, *size)).shape == (1, 32)


def test_a_relative_token_depends_on_the_reference() -> None:
    relative = tiny_model()
    absolute = build(dataclasses.replace(TINY, relative_tokens=False))
    picture, one, other = (torch.rand(1, 3, 64, 64) for _ in range(3))
    assert not torch.equal(
        relative.encode_token(picture, one), relative.encode_token(picture, other)
    )
    assert torch.equal(absolute.encode_token(picture, one), absolute.encode_token(picture, other))


def test_e_t_sees_optical_flow() -> None:
    """Without flow nothing has moved; what is not trusted is still told apart."""
    model = tiny_model()
    picture, reference = torch.rand(2, 3, 64, 64), torch.rand(1, 3, 64, 64)
    rest = torch.zeros(2, 3, 16, 16)
    rest[:, 2] = 1
    unknown, moved = torch.zeros_like(rest), rest + torch.tensor([0.1, 0, 0]).view(1, 3, 1, 1)
    plain = model.encode_token(picture, reference)
    assert torch.equal(plain, model.encode_token(picture, reference, rest))
    assert not torch.allclose(plain, model.encode_token(picture, reference, moved))
    assert not torch.allclose(plain, model.encode_token(picture, reference, unknown))
    blind = build(dataclasses.replace(TINY, token_encoder_flow=False))
    plain = blind.encode_token(picture, reference)
    assert torch.equal(plain, blind.encode_token(picture, reference, moved))
