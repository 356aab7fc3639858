"""The sender on another device: torch's "meta" computes nothing, but refuses to mix devices."""

from __future__ import annotations

from pathlib import Path

import pytest
import torch

import imfcodec
from imfcodec import weights
from imfcodec.codec.network.in_torch import place_of
from imfcodec.errors import OptionError
from imfcodec.sender.token_refinement import TokenRefiner
from tests.tiny import TINY, tiny_model

META = torch.device("meta")


def test_refinement_stays_on_its_device() -> None:
    model = tiny_model().to(META)
    assert place_of(model) == META
    picture = torch.empty(1, 3, 64, 64, device=META)
    token = torch.empty(1, TINY.token_size, device=META)
    refiner = TokenRefiner(model, picture, token, 2)
    refined = refiner.improve(
        picture.expand(5, -1, -1, -1),
        torch.empty(5, 3, 64, 64, device=META),
        token.expand(5, -1),
        torch.ones(5, 1, 64, 64, device=META),
    )
    assert [part.device for part in refined] == [META, META]
    assert [part.shape[0] for part in refined] == [5, 5]


@pytest.mark.usefixtures("tiny_weights")
def test_device_that_is_not_there(small_video: Path, tmp_path: Path) -> None:
    with pytest.raises(OptionError, match="device 'warp' is not available"):
        imfcodec.encode(small_video, tmp_path / "a.imf", weights="tiny", device="warp")
    assert [path.name for path in tmp_path.iterdir()] == [small_video.name]


@pytest.mark.usefixtures("portrait")
def test_automatic_device_gives_the_same_stream_where_there_is_no_gpu(
    small_video: Path, tmp_path: Path, tiny_weights: str
) -> None:
    if torch.cuda.is_available() or torch.backends.mps.is_available():
        pytest.skip("there is a GPU")
    streams = []
    for device in ("auto", "cpu"):
        path = tmp_path / f"{device}.imf"
        imfcodec.encode(small_video, path, weights=tiny_weights, mode="imf", device=device)
        assert imfcodec.decode(path, tmp_path / f"{device}.mkv", device=device).frames == 12
        streams.append(path.read_bytes())
    assert streams[0] == streams[1]
    assert weights.find(tiny_weights).id in streams[0]
