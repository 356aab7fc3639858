"""Operations are counted as they are, once per kind of step."""

from __future__ import annotations

import pytest
import torch

from imfcodec.model.precision import natural_precision
from imfcodec.training.utilisation import FlopMeter, peak_flops


def test_a_convolution_there_and_back() -> None:
    meter = FlopMeter()
    layer = torch.nn.Conv2d(3, 8, 3, padding=1)
    picture = torch.rand(2, 3, 16, 16)
    for _ in range(3):
        meter.begin("step")
        layer(picture).sum().backward()
        meter.end()
    forward = 2 * 2 * 3 * 8 * 9 * 16 * 16
    # The picture needs no gradient: backward is the weights' alone.
    assert meter.take() == 3 * 2 * forward
    assert meter.take() == 0


def test_kinds_are_counted_apart() -> None:
    meter = FlopMeter()
    for side in (8, 16, 8):
        meter.begin(side)
        torch.ones(side, side) @ torch.ones(side, side)
        meter.end()
    assert meter.take() == 2 * (2 * 8**3 + 16**3)


def test_the_peak_is_that_of_a_machine() -> None:
    assert 1e8 < peak_flops("cpu", "fp32") < 1e15


@pytest.mark.parametrize(
    ("capabilities", "precision"),
    [({"avx512_bf16": True}, "bf16"), ({"amx_bf16": True}, "bf16"), ({"avx2": True}, "fp32")],
)
def test_precision_of_a_cpu(
    capabilities: dict[str, bool], precision: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(torch.cpu, "get_capabilities", lambda: capabilities, raising=False)
    assert natural_precision("cpu") == precision


@pytest.mark.parametrize(("supported", "precision"), [(True, "bf16"), (False, "fp16")])
def test_precision_of_a_gpu(
    supported: bool, precision: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(torch.cuda, "is_available", lambda: True)
    monkeypatch.setattr(torch.cuda, "is_bf16_supported", lambda: supported)
    assert natural_precision("auto") == precision
