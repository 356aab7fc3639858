"""Frames between those that are refined share what these were corrected by."""

from __future__ import annotations

import numpy as np
import pytest
import torch

from imfcodec import weights
from imfcodec.sender import latent_tokens
from imfcodec.sender.latent_tokens import EXAMINED, TOGETHER, LatentTokens
from imfcodec.sender.token_refinement import Refined
from tests.conftest import moving_picture
from tests.tiny import TINY

SIZE = TINY.token_size


class Counting:
    """Corrects every value of the n-th token that it sees by n, and says that it matters n times.

    Attributes:
        seen: Frames of each call.
    """

    def __init__(self, *_: object) -> None:
        self.seen: list[int] = []

    def restart(self) -> None:
        self.seen = []

    def improve(
        self, pictures: torch.Tensor, flow: torch.Tensor, said: torch.Tensor, weight: object
    ) -> Refined:
        first = sum(self.seen) + 1
        self.seen.append(len(pictures))
        n = torch.arange(first, first + len(said), dtype=torch.float32)
        return Refined(said + n[:, None], n[:, None, None] * torch.eye(SIZE))


@pytest.fixture
def latents(tiny_weights: str, monkeypatch: pytest.MonkeyPatch) -> LatentTokens:
    monkeypatch.setattr(latent_tokens, "TokenRefiner", Counting)
    loaded = weights.load(weights.find(tiny_weights))
    return LatentTokens(loaded.model, loaded.tables.quantiser(0), moving_picture(0), 1)


def corrections(latents: LatentTokens, count: int) -> tuple[list[float], list[float]]:
    """By how much the tokens of frames are corrected, and how much they matter."""
    pictures = [moving_picture(n) for n in range(count)]
    flow = [torch.zeros(3, 16, 16)] * count
    refiner, latents._refiner = latents._refiner, None
    said = latents.beside(pictures, flow).tokens
    latents._refiner = refiner
    found = latents.beside(pictures, flow)
    by = (found.tokens - said).numpy()
    assert np.allclose(by, by[:, :1], atol=1e-4)
    return by[:, 0].tolist(), found.curvature[:, 0, 0].tolist()


def test_corrections_between_examined_frames(latents: LatentTokens) -> None:
    by, matters = corrections(latents, 2 * EXAMINED)
    line = np.linspace(1, 2, EXAMINED + 1)  # the last frame is always examined
    expected = [*[1.0] * EXAMINED, *line[1:]]
    assert by == pytest.approx(expected, abs=1e-4)
    assert matters == pytest.approx(expected)


def test_corrections_go_on_from_the_frames_before(latents: LatentTokens) -> None:
    corrections(latents, EXAMINED)
    by, _ = corrections(latents, EXAMINED)
    assert by == pytest.approx(np.linspace(1, 2, EXAMINED + 1)[1:], abs=1e-4)
    latents.restart()
    by, _ = corrections(latents, 2)
    assert by == pytest.approx([1.0, 1.0], abs=1e-4)


def test_frames_that_come_alone_are_not_all_refined(latents: LatentTokens) -> None:
    by = [corrections(latents, 1)[0][0] for _ in range(2 * EXAMINED + 1)]
    assert by == pytest.approx([*[1.0] * EXAMINED, *[2.0] * EXAMINED, 3.0], abs=1e-4)


def test_a_long_run_is_refined_in_parts(latents: LatentTokens) -> None:
    by, _ = corrections(latents, TOGETHER + EXAMINED)
    assert latents._refiner.seen == [TOGETHER // EXAMINED, 1]  # type: ignore[union-attr]
    assert by[TOGETHER - 1] == pytest.approx(TOGETHER / EXAMINED, abs=1e-4)
    assert by[-1] == pytest.approx(TOGETHER / EXAMINED + 1, abs=1e-4)
