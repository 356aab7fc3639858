"""What encode and decode say about windows over AV1."""

from __future__ import annotations

import json
from dataclasses import replace
from fractions import Fraction
from pathlib import Path

import pytest

from imfcodec.bitstream import SizeLedger
from imfcodec.cli.text import layout_text, windows_text
from imfcodec.media import MediaWriter
from imfcodec.receiver.report import DecodeReport
from imfcodec.sender.report import EncodeReport
from tests.conftest import MiddleFace, moving_picture

from .conftest import Invoke

WIDTH, HEIGHT, FRAMES = 192, 144, 40
FAST = ("--refine", "0", "--key-preset", "8")


@pytest.fixture
def wide(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A clip with one moving head, much smaller than the picture."""
    monkeypatch.setattr("imfcodec.sender.layout.heads.FaceFinder", lambda: MiddleFace(0.2))
    path = tmp_path / "wide.mkv"
    with MediaWriter(
        path, width=WIDTH, height=HEIGHT, time_base=Fraction(1, 25), rate=Fraction(25)
    ) as writer:
        for n in range(FRAMES):
            writer.write(n, moving_picture(n, WIDTH, HEIGHT))
    return path


def rows(text: str) -> dict[str, str]:
    """Printed values by their label."""
    return {line.split()[0]: line.partition(" ")[2].strip() for line in text.splitlines()}


def test_a_head_gets_a_window(invoke: Invoke, wide: Path, tmp_path: Path) -> None:
    stream, back = tmp_path / "a.imf", tmp_path / "a.mp4"
    said = rows(invoke("encode", wide, stream, "--measure", *FAST).stdout)
    assert said["layout"].startswith("windows over AV1 (1 window: ")
    assert said["measured"].endswith(" dB in windows")
    said = rows(invoke("decode", stream, back).stdout)
    assert said["windows"].startswith("layer 1 in ")


@pytest.mark.usefixtures("portrait")
def test_a_head_that_fills_the_picture_gets_none(
    invoke: Invoke, clip: Path, tmp_path: Path
) -> None:
    said = rows(invoke("encode", clip, tmp_path / "a.imf", "--mode", "imf", *FAST).stdout)
    assert said["layout"] == "key frames and tokens"


def test_windows_as_json(invoke: Invoke, wide: Path, tmp_path: Path) -> None:
    stream, back = tmp_path / "a.imf", tmp_path / "a.mp4"
    encoded = json.loads(invoke("encode", wide, stream, "--json", *FAST).stdout)
    sizes = encoded["sizes_bytes"]
    assert encoded["coded_as"] == {"windows": FRAMES}
    assert sizes["key"] + sizes["token"] < encoded["layer_bytes"]["1"] < sizes["total"]
    assert 0 < sizes["run"] < sizes["total"]
    decoded = json.loads(invoke("decode", stream, back, "--json").stdout)
    assert decoded["frames"] == FRAMES
    assert 0 < decoded["windows"]["1"] <= FRAMES
    assert decoded["layer_bytes"] == encoded["layer_bytes"]
    assert decoded["sizes_bytes"] == sizes


@pytest.mark.parametrize(
    ("options", "layout", "runs"),
    [
        (("--layout", "whole", "--mode", "imf"), "whole", False),
        (("--latency", "low"), "whole", False),
        (("--layout", "windows", "--max-windows", "1"), "windows", True),
    ],
)
def test_the_user_decides(
    invoke: Invoke, wide: Path, tmp_path: Path, options: tuple[str, ...], layout: str, runs: bool
) -> None:
    result = invoke("encode", wide, tmp_path / "a.imf", "--json", *FAST, *options)
    record = json.loads(result.stdout)
    assert record["coded_as"] == {layout: FRAMES}
    assert (record["sizes_bytes"]["run"] > 0) == runs
    assert (record["layer_bytes"] != {}) == runs


@pytest.mark.parametrize(
    "options",
    [
        ("--layout", "tiles"),
        ("--max-windows", "5"),
        ("--layout", "windows", "--latency", "low"),
        ("--mode", "h264"),
        ("--mode", "av1", "--latency", "low"),
        ("--mode", "av1", "--layout", "windows"),
    ],
)
def test_no_layout(invoke: Invoke, clip: Path, tmp_path: Path, options: tuple[str, ...]) -> None:
    assert invoke("encode", clip, tmp_path / "a.imf", *options).exit_code == 2
    assert not (tmp_path / "a.imf").exists()


def test_without_heads_all_is_the_base(invoke: Invoke, clip: Path, tmp_path: Path) -> None:
    stream = tmp_path / "a.imf"
    said = rows(invoke("encode", clip, stream, "--measure", *FAST).stdout)
    assert said["layout"] == "plain AV1"
    assert said["quality"] == "60"  # no CRF of key frames that there are none of
    assert "measured" not in said
    assert "windows" not in rows(invoke("decode", stream, tmp_path / "a.mp4").stdout)


def test_texts() -> None:
    sizes = SizeLedger(run_bytes=13_700, layer_bytes={2: 1800, 1: 11_740})
    report = EncodeReport("w", sizes, (1280, 720), (448, 256), {"windows": 250})
    assert layout_text(report) == "windows over AV1 (2 windows: 11.7 kB, 1800 B, AV1 13.7 kB)"
    mixed = replace(report, coded_as={"whole": 1, "av1": 249})
    assert layout_text(mixed) == "key frames and tokens in 1 frame, plain AV1 in 249 frames"
    decoded = DecodeReport("w", "torch", sizes, windows={2: 1, 1: 250})
    assert windows_text(decoded) == "layer 1 in 250 frames, layer 2 in 1 frame"
