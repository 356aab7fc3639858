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
from imfcodec.model.distances import flow_distance, pyramid_l1
from imfcodec.model.imf import IMF
from imfcodec.sender import stream_encoder
from imfcodec.sender.token_refinement import TokenRefiner
from tests.tiny import TINY, tiny_model


def rebuilt(model: IMF, token: torch.Tensor, picture: torch.Tensor, key: torch.Tensor):
    with torch.no_grad():
        references = [model.reference(picture, key).expand(len(token))]
        return model.reconstruct(token, references)


@pytest.fixture(scope="module")
def case() -> tuple[IMF, torch.Tensor, torch.Tensor, torch.Tensor, torch.Tensor]:
    """Network, reference, its token, tokens near it, and the frames that they are rebuilt as."""
    torch.manual_seed(3)
    model = tiny_model()
    coarse = torch.rand(1, 3, 8, 8)
    picture = torch.nn.functional.interpolate(coarse, (64, 64), mode="bicubic").clamp(0, 1)
    key = torch.zeros(1, TINY.token_size)
    true = torch.linspace(0.5, 0.8, 12)[:, None] * torch.randn(1, TINY.token_size)
    return model, picture, key, true, rebuilt(model, true, picture, key).picture


def test_the_picture_comes_nearer(case: tuple) -> None:
    """From the key frame's own token, which holds the picture still, towards what was seen."""
    model, picture, key, true, frames = case
    warp = rebuilt(model, true, picture, key).warps[0]
    flow = torch.cat([warp.displacement, torch.ones_like(warp.visibility)], 1)
    said = key.expand(len(true), -1)
    improved = TokenRefiner(model, picture, key, 10).improve(frames, flow, said)
    before, after = (rebuilt(model, t, picture, key) for t in (said, improved))
    assert pyramid_l1(after.picture, frames) < 0.6 * pyramid_l1(before.picture, frames)
    errors = [flow_distance(x.warps[0].displacement, flow) for x in (before, after)]
    assert errors[1] < 0.8 * errors[0]
    assert not improved.requires_grad


def test_corrections_are_carried_on(case: tuple) -> None:
    """The second batch begins with what the first one had to be corrected by."""
    model, picture, key, true, frames = case
    flow = torch.zeros(len(true), 3, 16, 16)
    said = key.expand(len(true), -1)
    refiner = TokenRefiner(model, picture, key, 1)
    for n in range(4):
        improved = refiner.improve(frames[:8], flow[:8], said[:8])
        assert (improved - key).abs().max() == pytest.approx(0.1 * (n + 1), rel=0.3)


def test_a_larger_picture_is_reduced(case: tuple) -> None:
    model, _, key, _, _ = case
    picture, frames = torch.rand(1, 3, 256, 448), torch.rand(3, 3, 256, 448)
    flow = torch.zeros(3, 3, 64, 112)
    improved = TokenRefiner(model, picture, key, 1).improve(frames, flow, key.expand(3, -1))
    assert improved.shape == (3, TINY.token_size)
    assert (improved != key).any()


def test_steps_of_options() -> None:
    assert EncodeOptions().refine_steps == 4
    assert EncodeOptions(latency="low").refine_steps == 0
    assert EncodeOptions(latency="low", refine=2).refine_steps == 2
    assert EncodeOptions(refine=0).refine_steps == 0
    for steps in (-1, 1001):
        with pytest.raises(OptionError, match="refinement"):
            EncodeOptions(refine=steps)


def test_a_stream_with_and_without(
    small_video: Path, tiny_weights: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The same frames, other tokens; without steps nothing is prepared for them."""
    streams = []
    for steps in (0, 2, 2):
        target = io.BytesIO()
        imfcodec.encode(small_video.open("rb"), target, weights="tiny", refine=steps, audio="none")
        streams.append(target.getvalue())
    assert streams[1] == streams[2]
    assert streams[0] != streams[1]
    decoded = [np.stack([f.rgb for f in imfcodec.Decoder(io.BytesIO(s))]) for s in streams]
    assert decoded[0].shape == decoded[1].shape

    def never(*_: object) -> None:
        raise AssertionError

    monkeypatch.setattr(stream_encoder, "TokenRefiner", never)
    imfcodec.encode(small_video.open("rb"), io.BytesIO(), weights="tiny", refine=0, audio="none")
