"""Each cause has its exit code and one line on stderr, and a target stays as it was."""

from __future__ import annotations

import json
from pathlib import Path

import av
import numpy as np
import pytest

from imfcodec.weights import FOLDER_VARIABLE, WeightsFile

from .conftest import Invoke


def sound(path: Path) -> Path:
    with av.open(str(path), "w") as container:
        stream = container.add_stream("pcm_s16le", rate=8000, layout="mono")
        samples = np.zeros((1, 800), np.int16)
        frame = av.AudioFrame.from_ndarray(samples, "s16", "mono")
        frame.sample_rate = 8000
        container.mux(stream.encode(frame))
        container.mux(stream.encode(None))
    return path


def fails(invoke: Invoke, exit_code: int, *args: object) -> str:
    """Run a command that must fail, as text and as JSON; gives the message."""
    result = invoke(*args)
    assert result.exit_code == exit_code, result.output
    assert result.stdout == ""
    (line,) = result.stderr.splitlines()
    assert line.startswith("imfcodec: error: ")
    message = line.removeprefix("imfcodec: error: ")
    again = invoke(*args, "--json")
    assert again.exit_code == exit_code
    record = json.loads(again.stderr.splitlines()[-1])
    assert record["exit_code"] == exit_code
    assert record["message"] == message
    return message


def test_missing_input(invoke: Invoke, tmp_path: Path) -> None:
    missing = tmp_path / "missing.mp4"
    for args in (("encode", missing, tmp_path / "a.imf"), ("decode", missing, tmp_path / "a.mp4")):
        assert str(missing) in fails(invoke, 3, *args)
    assert str(missing) in fails(invoke, 3, "info", missing)
    assert list(tmp_path.iterdir()) == []


def test_no_video(invoke: Invoke, tmp_path: Path) -> None:
    fails(invoke, 4, "encode", sound(tmp_path / "sound.wav"), tmp_path / "a.imf")
    assert [path.name for path in tmp_path.iterdir()] == ["sound.wav"]


def test_output_exists(invoke: Invoke, clip: Path, stream: Path, tmp_path: Path) -> None:
    target = tmp_path / "a.mkv"
    target.write_bytes(b"precious")
    for args in (("encode", clip, target, "--format", "imf"), ("decode", stream, target)):
        assert str(target) in fails(invoke, 7, *args)
        assert target.read_bytes() == b"precious"
    assert list(tmp_path.iterdir()) == [target]
    assert invoke("decode", stream, target, "--overwrite").exit_code == 0
    assert target.read_bytes() != b"precious"


def test_no_place_for_the_output(invoke: Invoke, clip: Path, tmp_path: Path) -> None:
    fails(invoke, 8, "encode", clip, tmp_path / "missing" / "a.imf")


def test_no_imf_stream(invoke: Invoke, clip: Path, tmp_path: Path) -> None:
    fails(invoke, 10, "decode", clip, tmp_path / "a.mp4")
    fails(invoke, 10, "info", clip)
    assert list(tmp_path.iterdir()) == []


def test_missing_weights(
    invoke: Invoke,
    stream: Path,
    installed: WeightsFile,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setenv(FOLDER_VARIABLE, str(tmp_path / "empty"))
    monkeypatch.setenv("XDG_DATA_HOME", str(tmp_path / "data"))
    message = fails(invoke, 20, "decode", stream, tmp_path / "a.mp4")
    assert installed.id.hex() in message
    assert str(tmp_path / "data" / "imfcodec" / "weights") in message
    assert FOLDER_VARIABLE in message


def test_unknown_weights(invoke: Invoke, clip: Path, tmp_path: Path) -> None:
    message = fails(invoke, 20, "encode", clip, tmp_path / "a.imf", "--weights", "nothing")
    assert "nothing" in message
    assert "tiny" in message


@pytest.mark.parametrize(
    "option",
    [
        ("--key-crf", 99),
        ("--key-preset", 99),
        ("--quantiser", 99),
        ("--keyframe-interval", "nan"),
        ("--short-side", 8),
        ("--audio-bitrate", "1k"),
        ("--threads", 0),
    ],
    ids=str,
)
def test_option_out_of_range(
    invoke: Invoke, clip: Path, tmp_path: Path, option: tuple[str, object]
) -> None:
    fails(invoke, 2, "encode", clip, tmp_path / "a.imf", *option)
    assert list(tmp_path.iterdir()) == []


def test_usage_error(invoke: Invoke) -> None:
    assert invoke("encode", "--nothing").exit_code == 2
    assert invoke("nothing").exit_code == 2


def test_pipe_without_a_format(invoke: Invoke, stream: Path) -> None:
    assert "format" in fails(invoke, 2, "decode", stream, "-")
