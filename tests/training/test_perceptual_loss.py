"""The VGG pyramid, on layers of random weights where no backbone is at hand."""

from __future__ import annotations

from pathlib import Path

import pytest
import torch
from safetensors.torch import save_file
from torch import nn

from imfcodec.errors import OptionError
from imfcodec.training.perceptual_loss import VGG_FILE_VARIABLE, PerceptualLoss, VggPyramid

CONVOLUTIONS = {0: (3, 8), 2: (8, 8), 5: (8, 12), 7: (12, 12)}


@pytest.fixture
def vgg16(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    torch.manual_seed(0)
    tensors = {"lin0.weight": torch.ones(1, 8, 1, 1)}
    for number, (inputs, outputs) in CONVOLUTIONS.items():
        tensors[f"features.{number}.weight"] = torch.randn(outputs, inputs, 3, 3) / 5
        tensors[f"features.{number}.bias"] = torch.randn(outputs) / 5
    path = tmp_path / "vgg16.safetensors"
    save_file(tensors, path)
    monkeypatch.setenv(VGG_FILE_VARIABLE, str(path))
    return path


def test_it_is_the_sum_over_scales_and_layers(vgg16: Path) -> None:
    pyramid = VggPyramid()
    x, y = torch.rand(2, 2, 3, 32, 32)
    total = 0.0
    a, b = x, y
    for scale in range(4):
        if scale:
            a, b = (nn.functional.avg_pool2d(p, 2) for p in (a, b))
        features = []
        for p in (a, b):
            h = (p - pyramid.mean[0]) / pyramid.std[0]
            layers = []
            for part in pyramid.parts:
                h = part(h)
                layers.append(h)
            features.append(layers)
        total += sum(float((u - v).abs().mean()) for u, v in zip(*features, strict=True))
    assert float(PerceptualLoss("vgg")(x, y)) == pytest.approx(total, rel=1e-4)
    assert float(PerceptualLoss("vgg")(x, x)) == 0
    kinds = [[type(layer).__name__ for layer in part] for part in pyramid.parts]
    assert [k[0] for k in kinds] == ["Conv2d", "Conv2d", "MaxPool2d", "Conv2d"]


def test_it_has_a_gradient_and_is_not_trained(vgg16: Path) -> None:
    x = torch.rand(1, 3, 32, 32, requires_grad=True)
    loss = PerceptualLoss("vgg")
    loss(x, torch.rand(1, 3, 32, 32)).backward()
    assert x.grad is not None
    assert float(x.grad.abs().sum()) > 0
    assert not any(p.requires_grad for p in loss.parameters())


def test_the_phase_of_the_strides_changes_from_step_to_step(vgg16: Path) -> None:
    loss = PerceptualLoss("vgg")
    x, y = torch.rand(2, 1, 3, 32, 32)
    moved = {float(loss(x, y, step)) for step in range(16)}
    assert len(moved) == 16
    assert float(loss(x, y, 6)) == float(loss(x[..., 2:, 1:], y[..., 2:, 1:]))
    assert float(loss(x, y, 16)) == float(loss(x, y))


def test_a_file_that_holds_something_else(vgg16: Path) -> None:
    save_file({"head.weight": torch.zeros(3)}, vgg16)
    with pytest.raises(OptionError, match="VGG16"):
        VggPyramid()
    vgg16.write_text("no")
    with pytest.raises(OptionError, match="VGG16"):
        VggPyramid()
