from __future__ import annotations

import importlib.util
import os
import sys
from pathlib import Path
from typing import Any

import av
import numpy as np
import pytest
import torch

from imfcodec.errors import OptionError
from imfcodec.metrics import perceptual
from imfcodec.metrics.perceptual import Lpips, load_lpips

Load = Any

pytestmark = pytest.mark.filterwarnings("ignore::UserWarning:torchvision")


@pytest.fixture
def random_backbones(monkeypatch: pytest.MonkeyPatch) -> Load:
    """LPIPS with its own linear layers over a backbone that needs no download."""
    if importlib.util.find_spec("lpips") is None:
        pytest.skip("the lpips package is not installed")
    perceptual.import_torchvision()  # mends what importing lpips would trip over
    import lpips

    def load(net: str) -> torch.nn.Module:
        torch.manual_seed(1)
        return lpips.LPIPS(net=net, pnet_rand=True, verbose=False).eval().requires_grad_(False)

    monkeypatch.setattr(perceptual, "load_lpips", load)
    return load


def pictures(count: int, side: int) -> np.ndarray:
    return np.random.default_rng(count).integers(0, 256, (count, side, side, 3), np.uint8)


@pytest.mark.parametrize("net", ["alex", "squeeze"])
def test_values_are_those_of_the_package(random_backbones: Load, net: str) -> None:
    source, coded = pictures(5, 48), pictures(5, 48)[::-1]
    x, y = (
        torch.from_numpy(p.astype(np.float32)).permute(0, 3, 1, 2) / 127.5 - 1
        for p in (source, coded)
    )
    expected = random_backbones(net)(x, y).flatten().numpy()
    assert Lpips(net)(source, coded) == pytest.approx(expected, rel=1e-4)


def test_parts_of_a_batch_are_joined_in_order(
    random_backbones: Load, monkeypatch: pytest.MonkeyPatch
) -> None:
    source, coded = pictures(5, 32), pictures(5, 32)[::-1].copy()
    together = Lpips("squeeze")(source, coded)
    monkeypatch.setattr(perceptual, "_PART_PIXELS", 2 * 32 * 32)
    assert Lpips("squeeze")(source, coded) == pytest.approx(together, rel=1e-4)
    assert together[2] == 0  # the middle one meets itself
    assert (together[[0, 1, 3, 4]] > 0).all()


def test_pictures_that_cannot_be_compared(random_backbones: Load) -> None:
    lpips = Lpips("squeeze")
    with pytest.raises(ValueError, match="cannot be compared"):
        lpips(pictures(2, 32), pictures(1, 32))
    with pytest.raises(ValueError, match="expected uint8"):
        lpips(pictures(1, 32)[0], pictures(1, 32)[0])


def test_a_missing_library_names_its_extra(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delitem(sys.modules, "lpips", raising=False)
    monkeypatch.setattr("importlib.util.find_spec", lambda name: None)
    with pytest.raises(OptionError, match=r"imfcodec\[bench\]"):
        load_lpips("alex")


def test_a_download_leaves_stdout_alone(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """Results go there; torch.hub announces itself there."""

    def refuse(*args: object, **options: object) -> None:
        raise OSError("no network in tests")

    if importlib.util.find_spec("lpips") is None:
        pytest.skip("the lpips package is not installed")
    monkeypatch.setenv("TORCH_HOME", str(tmp_path))
    monkeypatch.setattr("torch.hub.download_url_to_file", refuse)
    with pytest.raises(OptionError, match="neither cached under TORCH_HOME nor reachable"):
        load_lpips("alex")
    shown = capsys.readouterr()
    assert shown.out == ""
    assert "alexnet" in shown.err


@pytest.mark.data
@pytest.mark.parametrize(
    ("net", "expected"), [("alex", (0.722, 0.138)), ("squeeze", (0.711, 0.148))]
)
def test_the_packages_own_example(
    metrics_folder: Path, net: str, expected: tuple[float, float]
) -> None:
    if importlib.util.find_spec("lpips") is None:
        pytest.skip("the lpips package is not installed")
    if "TORCH_HOME" not in os.environ:
        pytest.skip("set TORCH_HOME to a folder with the LPIPS backbones")

    def picture(name: str) -> np.ndarray:
        with av.open(str(metrics_folder / "refimgs" / f"{name}.png")) as container:
            return next(container.decode(video=0)).to_ndarray(format="rgb24")[None]

    lpips = Lpips(net)
    values = [float(lpips(picture("ex_ref"), picture(name))[0]) for name in ("ex_p0", "ex_p1")]
    assert values == pytest.approx(expected, abs=6e-4)


def test_sources_are_remembered_within_bounds(
    random_backbones: Load, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(perceptual, "_PART_PIXELS", 32 * 32)  # one picture at a time
    source, coded = pictures(3, 32), pictures(3, 32)[::-1].copy()
    lpips = Lpips("alex")
    seen: list[int] = []
    lpips._backbone.register_forward_hook(lambda *_: seen.append(1))
    first = lpips(source, coded)
    assert len(seen) == 6
    assert lpips(source, coded).tolist() == first.tolist()
    assert len(seen) == 9  # the coded ones only
    monkeypatch.setattr(perceptual, "_REMEMBERED_BYTES", 0)
    lpips(pictures(4, 32), pictures(4, 32))
    assert not lpips._remembered
    assert lpips._remembered_bytes == 0
    assert lpips(source, coded).tolist() == first.tolist()
