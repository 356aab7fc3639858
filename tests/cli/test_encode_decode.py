"""The two commands on a tiny clip: what they write and what they say."""

from __future__ import annotations

import json
import re
from dataclasses import asdict
from pathlib import Path

import pytest

from imfcodec.media import MediaReader, PictureFrame
from imfcodec.quality import point_of

from .conftest import FRAMES, STREAM_OPTIONS, Invoke, write_clip


def frames_of(path: Path) -> list[PictureFrame]:
    with MediaReader(path, audio="none") as reader:
        return [event for event in reader.events() if isinstance(event, PictureFrame)]


def test_there_and_back(invoke: Invoke, clip: Path, tmp_path: Path) -> None:
    stream, video = tmp_path / "a.imf", tmp_path / "a.mp4"
    encoded = invoke("encode", clip, stream, "--measure", "--layout", "whole", "--mode", "imf")
    assert encoded.exit_code == 0, encoded.output
    assert f"{FRAMES} (1 key frame), 0.40 s" in encoded.stdout
    assert re.search(r"PSNR-RGB [\d.]+ dB at coded size", encoded.stdout)
    assert re.search("^layout +key frames and tokens$", encoded.stdout, re.MULTILINE)
    assert "times smaller" in encoded.stdout
    assert encoded.stderr == ""
    decoded = invoke("decode", stream, video)
    assert decoded.exit_code == 0, decoded.output
    assert str(video) in decoded.stdout
    pictures = frames_of(video)
    assert len(pictures) == FRAMES
    assert pictures[0].rgb.shape == (64, 64, 3)


def test_encode_json(invoke: Invoke, clip: Path, tmp_path: Path) -> None:
    stream = tmp_path / "a.imf"
    result = invoke(
        "encode", clip, stream, "--json", "--measure", "--layout", "whole", "--mode", "imf"
    )
    assert result.stderr == ""
    record = json.loads(result.stdout)
    sizes = record["sizes_bytes"]
    assert set(sizes) == {"key", "predicted_key", "run", "token", "audio", "container", "total"}
    assert sizes["total"] == stream.stat().st_size == sum(sizes.values()) - sizes["total"]
    assert record["rate_kbps"] == pytest.approx(8 * sizes["total"] / record["duration_s"] / 1000)
    assert record["source_bytes"] == clip.stat().st_size
    assert record["frames"] == FRAMES
    assert record["key_frames"] == 1
    assert record["psnr_rgb_db"] > 0
    assert (record["coded_as"], record["layer_bytes"]) == ({"whole": FRAMES}, {})
    assert "token encoder" in record["stages_ms"]


def test_decode_json(invoke: Invoke, stream: Path, tmp_path: Path) -> None:
    result = invoke("decode", stream, tmp_path / "a.y4m", "--json")
    record = json.loads(result.stdout)
    assert record["frames"] == FRAMES
    assert (record["key_frames"], record["predicted_key_frames"]) == (3, 1)
    assert record["lost"] == []
    assert record["truncated"] is False
    assert (record["windows"], record["layer_bytes"]) == ({}, {})


def test_options_arrive(invoke: Invoke, clip: Path, tmp_path: Path) -> None:
    stream = tmp_path / "a.imf"
    given = ["--quantiser", 4, "--keyframe-interval", 0.2, "--audio", "none", "--latency", "low"]
    assert invoke("encode", clip, stream, *given).exit_code == 0
    record = json.loads(invoke("info", stream, "--json").stdout)
    assert record["quantiser"] == 4
    assert [key["frame"] for key in record["key_frames"]] == [0, 5]
    assert record["packets"]["tokens"] == FRAMES - 2


def test_no_limit_of_the_interval(invoke: Invoke, clip: Path, tmp_path: Path) -> None:
    stream = tmp_path / "a.imf"
    given = ["--keyframe-interval", "none", "--layout", "whole"]
    assert invoke("encode", clip, stream, *given).exit_code == 0
    assert invoke("encode", clip, tmp_path / "b.imf", "--keyframe-interval", "x").exit_code == 2
    assert len(json.loads(invoke("info", stream, "--json").stdout)["key_frames"]) == 1


def test_without_predicted_key_frames(invoke: Invoke, clip: Path, tmp_path: Path) -> None:
    given = ["--keyframe-interval", 0.16, "--no-predict-keys", "--layout", "whole", "--json"]
    record = json.loads(invoke("encode", clip, tmp_path / "a.imf", *given).stdout)
    assert (record["key_frames"], record["predicted_key_frames"]) == (3, 0)
    assert record["sizes_bytes"]["predicted_key"] == 0


@pytest.mark.parametrize("text", ["12k", "12K", "12000", "12.0k"])
def test_audio_bitrate(invoke: Invoke, clip: Path, tmp_path: Path, text: str) -> None:
    result = invoke("encode", clip, tmp_path / "a.imf", "--audio-bitrate", text, "-q")
    assert (result.exit_code, result.output) == (0, "")


@pytest.mark.parametrize("text", ["12m", "k", "-12k", "9" * 400, "1e9"])
def test_no_audio_bitrate(invoke: Invoke, clip: Path, tmp_path: Path, text: str) -> None:
    result = invoke("encode", clip, tmp_path / "a.imf", "--audio-bitrate", text)
    assert result.exit_code == 2


def test_quality(invoke: Invoke, clip: Path, tmp_path: Path) -> None:
    given = ["--quality", 20, "--quantiser", 5, "--layout", "whole", "--key-preset", 8]
    said = invoke("encode", clip, tmp_path / "a.imf", *given).stdout
    assert re.search("^quality +20: CRF 46, quantiser 5, key frames 5 s apart$", said, re.MULTILINE)
    given = ["--key-crf", 30.25, "--keyframe-interval", "none", "--layout", "whole"]
    said = invoke("encode", clip, tmp_path / "b.imf", *given).stdout
    assert "60: CRF 30.25, quantiser 4, key frames of scenes only" in said


TARGET = ("--refine", 0, "--key-preset", 8, "--layout", "whole", "--overwrite")


def test_max_size(invoke: Invoke, clip: Path, tmp_path: Path) -> None:
    path = tmp_path / "a.imf"
    record = json.loads(invoke("encode", clip, path, *TARGET, "--max-size", "1G", "--json").stdout)
    assert (record["quality"], record["passes"]) == (100, 2)
    assert record["point"] == asdict(point_of(100))
    limit = record["sizes_bytes"]["total"] - 1
    said = invoke("encode", clip, path, *TARGET, "--max-size", limit).stdout
    assert re.search(r"^quality +[\d.]+, found in \d passes", said, re.MULTILINE)
    assert path.stat().st_size <= limit


def test_a_rate_that_cannot_be_met(invoke: Invoke, clip: Path, tmp_path: Path) -> None:
    path = tmp_path / "a.imf"
    missed = invoke("encode", clip, path, *TARGET, "--bitrate", "0.1k")
    assert missed.exit_code == 9
    assert "even quality 0 takes" in missed.stderr
    assert not path.exists()
    done = invoke("encode", clip, path, *TARGET, "--bitrate", "0.1k", "--best-effort")
    assert done.exit_code == 0
    assert "imfcodec: warning: even quality 0 takes" in done.stderr
    assert path.exists()


def test_a_rate_in_one_pass(invoke: Invoke, clip: Path, tmp_path: Path) -> None:
    """A pipe, too, has a rate, and a warning says if it takes more."""
    args = ("encode", "-", tmp_path / "a.imf", *TARGET, "--latency", "low")
    done = invoke(*args, "--bitrate", "1k", stdin=clip.read_bytes())
    assert done.exit_code == 0
    assert re.search("^quality +0: CRF 56 at first, quantiser", done.stdout, re.MULTILINE)
    assert "imfcodec: warning: the stream takes" in done.stderr
    many = invoke(*args, "--bitrate", "10M", stdin=clip.read_bytes())
    assert "warning" not in many.stderr
    refused = invoke(*args, "--bitrate", "5k", "--min-quality", 10, stdin=clip.read_bytes())
    assert refused.exit_code == 2


@pytest.mark.parametrize(
    "given",
    [
        ("--bitrate", "5M"),
        ("--bitrate", "0"),
        ("--max-size", "2T"),
        ("--max-size", "-1"),
        ("--max-size", "nan"),
        ("--quality", "nan"),
        ("--quality", "101"),
        ("--bitrate", "5k", "--max-size", "2M"),
        ("--bitrate", "5k", "--key-crf", "30"),
        ("--max-size", "2M", "--with-sound"),
        ("--max-size", "2M", "--latency", "low"),
    ],
    ids=str,
)
def test_no_target(invoke: Invoke, clip: Path, tmp_path: Path, given: tuple[str, ...]) -> None:
    assert invoke("encode", clip, tmp_path / "a.imf", *given).exit_code == 2
    assert invoke("encode", "-", tmp_path / "a.imf", "--bitrate", "5k").exit_code == 2
    assert not (tmp_path / "a.imf").exists()


def test_quiet_says_nothing(invoke: Invoke, stream: Path, tmp_path: Path) -> None:
    result = invoke("decode", stream, tmp_path / "a.mkv", "--quiet")
    assert (result.exit_code, result.output) == (0, "")


def test_warnings_go_to_stderr(invoke: Invoke, tmp_path: Path) -> None:
    stream = tmp_path / "a.imf"
    assert invoke("encode", write_clip(tmp_path / "clip.mp4"), stream).exit_code == 0
    result = invoke("decode", stream, tmp_path / "a.mkv")
    assert result.exit_code == 0
    assert result.stderr.startswith("imfcodec: warning: mkv stores whole milliseconds")
    assert "milliseconds" not in result.stdout
    as_json = invoke("decode", stream, tmp_path / "b.mkv", "--json")
    assert as_json.stderr == ""
    assert "milliseconds" in json.loads(as_json.stdout)["warnings"][0]


def test_stdout_carries_the_stream_alone(
    invoke: Invoke, clip: Path, stream: Path, tmp_path: Path
) -> None:
    encoded = invoke("encode", clip, "-", *STREAM_OPTIONS)
    assert encoded.stdout_bytes == stream.read_bytes()
    assert "encoded" in encoded.stderr
    as_json = invoke("encode", clip, "-", *STREAM_OPTIONS, "--json")
    assert as_json.stdout_bytes == stream.read_bytes()
    assert json.loads(as_json.stderr)["target"] == "-"
    decoded = invoke("decode", "-", "-", "--format", "rgb", stdin=stream.read_bytes())
    assert len(decoded.stdout_bytes) == FRAMES * 64 * 64 * 3
    assert "decoded" in decoded.stderr
