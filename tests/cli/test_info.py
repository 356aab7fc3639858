from __future__ import annotations

import io
import json
from dataclasses import replace
from fractions import Fraction
from pathlib import Path

import pytest

from imfcodec.bitstream import (
    Geometry,
    KeyPacket,
    LayerPacket,
    PredictedKeyPacket,
    RunPacket,
    StreamHeader,
    StreamWriter,
    TokenPacket,
    Window,
    WindowEnd,
)
from imfcodec.receiver.inspection import RunEntry, WindowEntry, inspect
from imfcodec.weights import FOLDER_VARIABLE, WeightsFile

from .conftest import FRAMES, Invoke


def test_text(invoke: Invoke, stream: Path, installed: WeightsFile) -> None:
    result = invoke("info", stream)
    assert (result.exit_code, result.stderr) == (0, "")
    for text in (
        f"tiny-{installed.id.hex()}, installed",
        "64x64",
        "32 values",
        "4 at 0.160 s, predicted",
    ):
        assert text in result.stdout
    assert result.stdout.splitlines()[-1].split() == ["damage", "none"]


def test_json(invoke: Invoke, stream: Path, installed: WeightsFile) -> None:
    record = json.loads(invoke("info", stream, "--json").stdout)
    assert record["weights"]["id"] == installed.id.hex()
    assert record["weights"]["installed"] is True
    assert record["display"] == record["scaled"] == record["coded"] == [64, 64]
    assert [key["time_s"] for key in record["key_frames"]] == pytest.approx([0, 0.16, 0.32])
    assert [key["predicted"] for key in record["key_frames"]] == [False, True, False]
    assert record["frames"] == FRAMES
    assert record["sizes_bytes"]["total"] == stream.stat().st_size
    assert record["complete"] is True
    assert record["damage"] == []


def test_from_standard_input(invoke: Invoke, stream: Path) -> None:
    assert invoke("info", "-", stdin=stream.read_bytes()).exit_code == 0


def test_without_the_weights(
    invoke: Invoke, stream: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv(FOLDER_VARIABLE, str(tmp_path))
    result = invoke("info", stream)
    assert result.exit_code == 0
    assert "not installed" in result.stdout


HEADER = StreamHeader(
    weights_id=bytes(4),
    geometry=Geometry(*[64] * 6),
    token_size=32,
    quantiser=5,
    time_base=Fraction(1, 25),
    nominal_duration=Fraction(1),
    windows=2,
)
WINDOW = Window(left=4, top=2, side=40, coded_side=64)


def layer_key(layer: int, number: int, window: Window = WINDOW) -> LayerPacket:
    return LayerPacket(layer, KeyPacket(number, number, b"t", b"picture", b"configuration"), window)


@pytest.fixture
def layered(tmp_path: Path) -> Path:
    """Two runs and a key frame between them, with windows of two layers over them."""
    path = tmp_path / "layered.imf"
    with path.open("wb") as file:
        writer = StreamWriter(file, HEADER)
        for packet in (
            layer_key(1, 0),
            LayerPacket(1, TokenPacket(1, (1, 2), b"t", key=0)),
            layer_key(2, 2),
            RunPacket(0, (0, 1, 2), (b"unit", b"unit"), hold=2),
            LayerPacket(1, PredictedKeyPacket(3, 3, 0, b"t", b"p"), replace(WINDOW, top=9)),
            LayerPacket(2, WindowEnd(3)),
            RunPacket(3, (3, 4), (b"unit",) * 2, begins=False),
            layer_key(2, 6),
            KeyPacket(5, 5, b"t", b"picture"),
            TokenPacket(6, (6,), b"t", key=5),
            layer_key(2, 7),
            RunPacket(7, (7, 8), (b"unit",) * 2),
        ):
            writer.write(packet)
        writer.finish(9)
    return path


def test_windows_and_runs(invoke: Invoke, layered: Path) -> None:
    summary = inspect(layered)
    assert summary.windows == [
        WindowEntry(1, 0, 2, WINDOW),
        WindowEntry(2, 2, 2, WINDOW),
        WindowEntry(1, 3, 3, replace(WINDOW, top=9)),
        WindowEntry(2, 6, 7, WINDOW),
    ]
    assert summary.runs == [RunEntry(0, 4), RunEntry(7, 8)]
    assert (summary.frames, summary.duration_s) == (9, 0.36)
    assert summary.packets == {"layer": 7, "run": 3, "key": 1, "tokens": 1, "end": 1}
    lines = invoke("info", layered).stdout.splitlines()
    start = next(n for n, line in enumerate(lines) if line.startswith("run"))
    sizes = summary.sizes.layer_bytes
    assert [" ".join(line.split()) for line in lines[start:]] == [
        "run frames 0-4",
        "run frames 7-8",
        f"layer 1 {sizes[1]} B",
        "window 64x64 for 40x40+4+2, frames 0-2",
        "window 64x64 for 40x40+4+9, frames 3-3",
        f"layer 2 {sizes[2]} B",
        "window 64x64 for 40x40+4+2, frames 2-2",
        "window 64x64 for 40x40+4+2, frames 6-7",
        "damage none",
    ]
    assert any("runs 24, tokens" in line for line in lines)


def test_windows_and_runs_as_json(invoke: Invoke, layered: Path) -> None:
    record = json.loads(invoke("info", layered, "--json").stdout)
    assert record["runs"][0] == {"first_frame": 0, "last_frame": 4}
    assert record["windows"][0] == {
        "layer": 1,
        "first_frame": 0,
        "last_frame": 2,
        "window": {"left": 4, "top": 2, "side": 40, "coded_side": 64},
    }
    assert set(record["layer_bytes"]) == {"1", "2"}
    assert record["sizes_bytes"]["run"] == 24
    assert record["sizes_bytes"]["total"] == layered.stat().st_size


def test_without_its_end_a_stream_of_runs_has_the_same_frames(layered: Path) -> None:
    whole = layered.read_bytes()
    cut = inspect(io.BytesIO(whole[:-6]))
    assert (cut.frames, cut.duration_s, cut.complete) == (9, 0.36, False)


def test_a_run_whose_first_packet_is_lost_is_listed_from_the_next_one(layered: Path) -> None:
    data = bytearray(layered.read_bytes())
    data[data.index(b"unitunit")] ^= 1  # in the first packet of the run
    assert inspect(io.BytesIO(bytes(data))).runs == [RunEntry(3, 4), RunEntry(7, 8)]
