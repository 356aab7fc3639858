"""Eyes and mouth count more in the sender's least squares."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
import torch

from imfcodec.media import AudioMode, MediaReader
from imfcodec.media.faces import Face, FaceFinder
from imfcodec.sender.face_emphasis import FaceEmphasis
from imfcodec.sender.token_refinement import TokenRefiner
from tests.tiny import tiny_model

FACE = Face((10, 10, 50, 60), np.array([[20.0, 25], [40, 25], [30, 35], [24, 45], [36, 45]]))


class OneFace(FaceFinder):
    """Finds the same face in every picture."""

    def __init__(self) -> None:
        pass

    def find(self, picture: np.ndarray) -> list[Face]:
        return [FACE]


def test_the_boxes_of_eyes_and_mouth_are_heavier() -> None:
    finder = OneFace()
    weights = FaceEmphasis(5, finder).of([np.zeros((64, 96, 3), np.uint8)] * 2)
    assert weights.shape == (2, 1, 64, 96)
    heavy = weights[0, 0] == 5
    assert heavy[25, 20]
    assert heavy[25, 40]
    assert heavy[45, 30]
    assert not heavy[34, 30]
    assert heavy.sum() == 40 * 16 + 28 * 20
    assert weights[weights != 5].unique().tolist() == [1]


def test_boxes_at_the_border_and_outside_are_cut() -> None:
    finder = OneFace()
    weights = FaceEmphasis(5, finder).of([np.zeros((40, 24, 3), np.uint8)])
    assert (weights[0, 0, 17:33, 10:24] == 5).all()
    assert weights[0, 0, 35:40, 16:].eq(5).all()


def test_refinement_serves_heavy_pixels() -> None:
    """A token that two halves of the picture want differently follows the heavy half."""
    torch.manual_seed(1)
    model = tiny_model()
    picture, still = torch.rand(1, 3, 64, 64), torch.zeros(1, model.config.token_size)
    wanted = 0.3 * torch.randn_like(still)
    with torch.inference_mode():
        one, other = (model(t, picture, still).picture for t in (wanted, -wanted))
    frame = torch.cat([one[..., :32], other[..., 32:]], -1)
    left = torch.ones(1, 1, 64, 64)
    left[..., :32] = 100
    towards = []
    for emphasis in (left, left.flip(-1)):
        refiner = TokenRefiner(model, picture, still, 2)
        tokens = refiner.improve(frame, torch.zeros(1, 3, 64, 64), still, emphasis).tokens
        towards.append(float((tokens * wanted).sum()))
    assert towards[0] > 0 > towards[1]


@pytest.mark.data
def test_a_real_face_is_found(data: Path) -> None:
    with MediaReader(data / "val" / "d91cad1650.mp4", audio=AudioMode.NONE) as reader:
        picture = next(iter(reader.pictures())).rgb
    share = (FaceEmphasis(5).of([picture]) == 5).float().mean()
    assert 0.02 < share < 0.3
