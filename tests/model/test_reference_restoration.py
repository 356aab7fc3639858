"""R changes nothing until it has learned something, and fits every coded size."""

from __future__ import annotations

import dataclasses

import numpy as np
import pytest
import torch

from imfcodec.codec.network.in_torch import restored, to_pictures
from imfcodec.config import FAST
from imfcodec.model.imf import IMF
from imfcodec.model.reference_restoration import ReferenceRestoration, restoration_of
from tests.tiny import TINY, tiny_model


def network() -> ReferenceRestoration:
    torch.manual_seed(0)
    return ReferenceRestoration(((4, 8, 8), 1)).eval().requires_grad_(False)


def test_untrained_it_returns_its_input() -> None:
    picture = torch.rand(2, 3, 64, 64)
    assert torch.equal(network()(picture), picture)
    assert not network().trained


@pytest.mark.parametrize("size", [(32, 32), (96, 160), (256, 32)])
def test_sizes(size: tuple[int, int]) -> None:
    assert network()(torch.rand(1, 3, *size)).shape == (1, 3, *size)


def test_pictures_stay_in_range() -> None:
    changed = network()
    changed.leave.weight.normal_()
    assert changed.trained
    out = changed(torch.rand(1, 3, 64, 64))
    assert 0 == out.min() < out.max() == 1


def test_every_layer_has_a_part_in_it() -> None:
    changed = network().requires_grad_(True)
    with torch.no_grad():
        changed.leave.weight.normal_(std=0.01)
    changed(torch.rand(1, 3, 64, 64)).sum().backward()
    for name, parameter in changed.named_parameters():
        assert parameter.grad is not None, name
        assert parameter.grad.abs().sum() > 0, name


def test_the_first_pass_alone() -> None:
    two = dataclasses.replace(TINY, restoration_passes=2)
    one, both = tiny_model(), tiny_model(config=two)
    both.restoration.load_state_dict(both.restoration.state_dict() | one.restoration.state_dict())
    picture = to_pictures(torch.rand(1, 3, 64, 64))[0]
    first = restored(one, picture)
    assert np.array_equal(restored(one, picture, once=True), first)
    assert np.array_equal(restored(both, picture, once=True), first)
    assert (restored(both, picture) != first).any()
    assert np.array_equal(restored(both, picture, 3, once=True), picture)


def test_a_network_without_it_takes_key_frames_as_they_are() -> None:
    picture = to_pictures(torch.rand(1, 3, 64, 64))[0]
    plain = IMF(dataclasses.replace(TINY, restoration_channels=None)).eval()
    assert restored(plain, picture) is picture
    ours = restored(tiny_model(), picture)
    assert ours.shape == picture.shape
    assert ours.dtype == picture.dtype
    assert (ours != picture).any()


def test_a_second_pass_sees_what_the_first_has_made_of_it() -> None:
    torch.manual_seed(0)
    twice = ReferenceRestoration(((4, 8, 8), 1), ((4, 8, 8), 1)).eval().requires_grad_(False)
    assert twice.again is not None
    picture = torch.rand(2, 3, 64, 64)
    assert torch.equal(twice(picture), picture)
    assert not twice.trained
    for layer in (twice.again.leave, twice.leave):
        layer.weight.normal_(std=0.1)
        assert twice.trained
    second, twice.again = twice.again, None
    once = twice(picture)
    twice.again = second
    assert torch.equal(twice(picture), second(picture, once))
    assert not torch.equal(second(picture, once), second(picture, picture))


def test_the_first_pass_may_be_smaller() -> None:
    config = dataclasses.replace(TINY, restoration_passes=2, restoration_first=(3, 4, 5, 2))
    twice = restoration_of(config)
    assert twice is not None
    assert twice.again is not None
    sizes = [[len(chain) for chain in each.down] for each in (twice, twice.again)]
    assert sizes == [[2, 2, 2], [1, 1, 1]]
    channels = [each.leave.in_channels for each in (twice, twice.again)]
    assert channels == [3, 4]
    assert twice(torch.rand(1, 3, 32, 64)).shape == (1, 3, 32, 64)
    with pytest.raises(RuntimeError, match="size mismatch"):
        twice.load_state_dict(twice.completed(network().state_dict()))


@pytest.mark.parametrize("passes", [2, 3])
def test_passes_that_repeat_the_first(passes: int) -> None:
    once = network()
    once.leave.weight.normal_(std=0.1)
    again = ReferenceRestoration(*[((4, 8, 8), 1)] * passes).eval().requires_grad_(False)
    again.load_state_dict(once.state_dict(), strict=False)
    picture = torch.rand(1, 3, 64, 64)
    assert not torch.allclose(again(picture), once(picture), atol=1e-3)
    again.load_state_dict(again.completed(once.state_dict()))
    assert torch.allclose(again(picture), once(picture), atol=1e-5)


def test_what_a_key_frame_costs() -> None:
    """At 256x256, counted: some 36 GMAC once in seconds against 1.2 for every frame."""
    from torch.utils.flop_counter import FlopCounterMode

    restoration = IMF(FAST).eval().requires_grad_(False).restoration
    assert restoration is not None
    with FlopCounterMode(display=False) as counter:
        restoration(torch.rand(1, 3, 256, 256))
    assert 4e9 < counter.get_total_flops() / 2 < 40e9


def test_restoration_strength_leaves_out_a_share_of_the_change() -> None:
    picture = to_pictures(torch.rand(1, 3, 64, 64))[0]
    model = tiny_model()
    shown = [restored(model, picture, restoration).astype(int) for restoration in range(4)]
    change = shown[0] - picture
    assert abs(change).max() > 8
    assert (shown[3] == picture).all()
    for of_four, seen in ((3, shown[1]), (2, shown[2])):
        assert abs(seen - picture - change * of_four / 4).max() <= 1
