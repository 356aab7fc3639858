"""Refinement brings what the receiver rebuilds nearer to the source."""

from __future__ import annotations

import io
from pathlib import Path

import numpy as np
import pytest
import torch

import imfcodec
from imfcodec.config import EncodeOptions
from imfcodec.errors import OptionError
from imfcodec.model.imf import IMF
from imfcodec.sender import latent_tokens
from imfcodec.sender.token_refinement import (
    DIRECTIONS,
    PLAIN_CURVATURE,
    REACH,
    RENEW,
    TokenRefiner,
    _renewed,
    unexamined,
)
from imfcodec.training.losses import flow_distance, pyramid_l1
from tests.tiny import TINY, tiny_model


def rebuilt(model: IMF, token: torch.Tensor, picture: torch.Tensor, key: torch.Tensor):
    with torch.no_grad():
        reference = model.reference(picture, key).expand(len(token))
        return model.reconstruct(token, reference)


@pytest.fixture(scope="module")
def case() -> tuple[IMF, torch.Tensor, torch.Tensor, torch.Tensor, torch.Tensor]:
    """Network, reference, its token, tokens near it, and the frames that they are rebuilt as."""
    torch.manual_seed(3)
    model = tiny_model()
    coarse = torch.rand(1, 3, 8, 8)
    picture = torch.nn.functional.interpolate(coarse, (64, 64), mode="bicubic").clamp(0, 1)
    key = torch.zeros(1, TINY.token_size)
    true = torch.linspace(0.5, 0.8, RENEW + 4)[:, None] * torch.randn(1, TINY.token_size)
    return model, picture, key, true, rebuilt(model, true, picture, key).picture


def in_runs(refiner: TokenRefiner, *parts: torch.Tensor) -> torch.Tensor:
    batches = zip(*(p.split(RENEW) for p in parts), strict=True)
    return torch.cat([refiner.improve(*batch).tokens for batch in batches])


def test_the_picture_comes_nearer(case: tuple) -> None:
    """From the key frame's own token, which holds the picture still, towards what was seen."""
    model, picture, key, true, frames = case
    warp = rebuilt(model, true, picture, key).warp
    flow = torch.cat([warp.displacement, torch.ones_like(warp.visibility)], 1)
    said = key.expand(len(true), -1)
    improved = in_runs(TokenRefiner(model, picture, key, 2), frames, flow, said)
    before, after = (rebuilt(model, t, picture, key) for t in (said, improved))
    assert pyramid_l1(after.picture, frames) < 0.6 * pyramid_l1(before.picture, frames)
    errors = [flow_distance(x.warp.displacement, flow) for x in (before, after)]
    assert errors[1] < 0.8 * errors[0]
    assert not improved.requires_grad


def test_curvature_tells_what_shows(case: tuple) -> None:
    """Along the largest eigenvector a token changes the picture more than along the least."""
    model, picture, key, true, frames = case
    flow = torch.zeros(RENEW, 3, 16, 16)
    refined = TokenRefiner(model, picture, key, 1).improve(
        frames[:RENEW], flow, true[:RENEW].clone()
    )
    h = refined.curvature
    assert h.shape == (RENEW, TINY.token_size, TINY.token_size)
    assert torch.allclose(h, h.mT, atol=1e-4)
    values, vectors = torch.linalg.eigh(h[0])
    assert values[0] > 0
    here = rebuilt(model, true[:1], picture, key).picture
    most, least = (
        (rebuilt(model, true[:1] + 0.5 * vectors[:, n], picture, key).picture - here).abs().mean()
        for n in (-1, 0)
    )
    assert most > 2 * least


def test_corrections_are_carried_on(case: tuple) -> None:
    """What the last frame had to be corrected by is where the next one begins."""
    model, picture, key, _, frames = case
    flow = torch.zeros(1, 3, 16, 16)
    refiner = TokenRefiner(model, picture, key, 1)
    distances = [
        pyramid_l1(
            rebuilt(model, refiner.improve(frames[:1], flow, key).tokens, picture, key).picture,
            frames[:1],
        )
        for _ in range(3)
    ]
    assert distances[1] < distances[0]
    assert distances[2] < 1.1 * distances[1]


def test_most_derivatives_are_measured_once(case: tuple, monkeypatch: pytest.MonkeyPatch) -> None:
    model, picture, key, _, frames = case
    passes = []
    plain = TokenRefiner._effect

    def counted(self: TokenRefiner, tokens: torch.Tensor):
        passes.append(len(tokens))
        return plain(self, tokens)

    monkeypatch.setattr(TokenRefiner, "_effect", counted)
    refiner = TokenRefiner(model, picture, key, 1)
    for n in range(RENEW + 1):
        refiner.improve(frames[n : n + 1], torch.zeros(1, 3, 16, 16), key)
    refiner.restart()
    refiner.improve(frames[:2], torch.zeros(2, 3, 16, 16), key.expand(2, -1))
    first, later = TINY.token_size + 1, min(DIRECTIONS, TINY.token_size) + 1
    assert passes == [first, *[1] * RENEW, later, 1, later, 2]


def test_derivatives_are_renewed_in_some_directions() -> None:
    torch.manual_seed(1)
    directions = torch.linalg.qr(torch.randn(6, 6)).Q[:2]
    old, new, start = torch.randn(6, 3, 4, 4), torch.randn(6, 3, 4, 4), torch.randn(1, 3, 4, 4)
    ends = torch.cat([start, start + REACH * torch.tensordot(directions, new, 1)])
    found = _renewed(old, directions, ends)
    along, across = directions, torch.linalg.svd(directions).Vh[2:]
    for kept, axes in ((new, along), (old, across)):
        expected = torch.tensordot(axes, kept, 1)
        assert torch.allclose(torch.tensordot(axes, found, 1), expected, atol=1e-4)


def test_unexamined_tokens_matter_alike() -> None:
    tokens = torch.randn(3, 16)
    plain = unexamined(tokens)
    assert plain.tokens is tokens
    assert (plain.curvature == PLAIN_CURVATURE * torch.eye(16)).all()
    assert plain.curvature.shape == (3, 16, 16)


def test_a_larger_picture_is_reduced(case: tuple) -> None:
    model, _, key, _, _ = case
    picture, frames = torch.rand(1, 3, 256, 448), torch.rand(3, 3, 256, 448)
    flow = torch.zeros(3, 3, 64, 112)
    improved = TokenRefiner(model, picture, key, 1).improve(frames, flow, key.expand(3, -1)).tokens
    assert improved.shape == (3, TINY.token_size)
    assert (improved != key).any()


def test_steps_of_options() -> None:
    assert EncodeOptions(latency="low").effort.refine == 0
    assert EncodeOptions(latency="low", refine=3).effort.refine == 3
    assert EncodeOptions(refine=0).effort.refine == 0
    for steps in (-1, 101):
        with pytest.raises(OptionError, match="refinement"):
            EncodeOptions(refine=steps)


def test_a_stream_with_and_without(
    small_video: Path, tiny_weights: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The same frames, other tokens; without steps nothing is prepared for them."""
    fixed = {"weights": tiny_weights, "layout": "whole", "audio": "none"}
    streams = []
    for steps in (0, 2, 2):
        target = io.BytesIO()
        imfcodec.encode(small_video.open("rb"), target, refine=steps, **fixed)
        streams.append(target.getvalue())
    assert streams[1] == streams[2]
    assert streams[0] != streams[1]
    decoded = [np.stack([f.rgb for f in imfcodec.Decoder(io.BytesIO(s))]) for s in streams]
    assert decoded[0].shape == decoded[1].shape

    def never(*_: object) -> None:
        raise AssertionError

    monkeypatch.setattr(latent_tokens, "TokenRefiner", never)
    imfcodec.encode(small_video.open("rb"), io.BytesIO(), refine=0, **fixed)
