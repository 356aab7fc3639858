from __future__ import annotations

from pathlib import Path

import pytest

from imfcodec.bench.clip import Clip
from imfcodec.bench.codecs.imf import IMF, with_setting
from imfcodec.bitstream import StreamReader, TokenPacket
from imfcodec.config import NO_LIMIT_S, EncodeOptions
from imfcodec.errors import DamagedStream, OptionError


@pytest.fixture
def clip(small_video: Path) -> Clip:
    return Clip.open(small_video)


@pytest.fixture
def codec(tiny_weights: str) -> IMF:
    return IMF(tiny_weights)


@pytest.mark.usefixtures("portrait")
def test_round_trip(clip: Clip, codec: IMF, tmp_path: Path) -> None:
    encoded = codec.encode(clip, "crf34-q2", tmp_path)
    assert encoded.size_bytes == encoded.path.stat().st_size
    assert encoded.key_frames == 1
    assert [p.shape for p in codec.decode(encoded, clip)] == [(64, 64, 3)] * 12
    reduced = Clip.open(clip.path, lines=48)
    assert [p.shape for p in codec.decode(encoded, reduced)] == [(48, 48, 3)] * 12


@pytest.mark.usefixtures("portrait")
def test_a_setting_is_obeyed(clip: Clip, codec: IMF, tmp_path: Path) -> None:
    fine = codec.encode(clip, "crf20-q2", tmp_path)
    coarse = codec.encode(clip, "crf60-q2", tmp_path)
    often = codec.encode(clip, "crf20-q2-k0.2", tmp_path)
    assert coarse.size_bytes < fine.size_bytes < often.size_bytes
    assert often.key_frames > fine.key_frames
    with codec.encode(clip, "crf34-q5", tmp_path).path.open("rb") as file:
        assert StreamReader(file).header.quantiser == 5


@pytest.mark.parametrize("setting", ["", "q2", "crf34", "crf34-q2-k", "crf34-q2-k3s", "34-2"])
def test_what_is_no_setting(clip: Clip, codec: IMF, tmp_path: Path, setting: str) -> None:
    with pytest.raises(OptionError):
        codec.encode(clip, setting, tmp_path)


@pytest.mark.usefixtures("portrait")
def test_the_ladder_is_made_of_settings(clip: Clip, codec: IMF, tmp_path: Path) -> None:
    for setting in codec.settings:
        assert codec.encode(clip, setting, tmp_path).size_bytes > 0


@pytest.mark.usefixtures("portrait")
def test_a_repeated_frame_is_no_result(clip: Clip, codec: IMF, tmp_path: Path) -> None:
    encoded = codec.encode(clip, "crf34-q2", tmp_path)
    data = bytearray(encoded.path.read_bytes())
    with encoded.path.open("rb") as file:
        reader = StreamReader(file)
        tokens = next(p for p in reader if isinstance(p, TokenPacket))
    data[data.index(tokens.payload)] ^= 0xFF
    encoded.path.write_bytes(data)
    with pytest.raises(DamagedStream):
        list(codec.decode(encoded, clip))


def test_name_and_version_are_those_of_the_weights(codec: IMF) -> None:
    assert codec.name.startswith("imf-tiny-")
    assert codec.name.removeprefix("imf-") in codec.version()
    assert codec.version() != IMF(codec.weights, threads=2).version()
    assert codec.missing() is None
    assert codec.role == "ours"


def test_weights_that_are_not_there() -> None:
    codec = IMF("none-such")
    assert "none-such" in (codec.missing() or "")
    assert "none-such" in codec.name
    assert codec.version()


def test_weights_that_the_receiver_would_not_find(
    tiny_folder: Path, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.setenv("IMFCODEC_WEIGHTS", str(tmp_path))
    (path,) = tiny_folder.glob("tiny-*.safetensors")
    assert "IMFCODEC_WEIGHTS" in (IMF(str(path)).missing() or "")


def test_a_setting_changes_what_it_names() -> None:
    given = EncodeOptions(audio="none", threads=1)
    options = with_setting(given, "crf41-q3-k2.5")
    assert (options.key_crf, options.quantiser, options.keyframe_interval_s) == (41, 3, 2.5)
    assert (options.audio, options.threads) == ("none", 1)
    assert with_setting(given, "crf41-q3").keyframe_interval_s == NO_LIMIT_S


@pytest.mark.parametrize(
    "setting",
    [
        "",
        "q2",
        "crf34",
        "crf34-q2-k",
        "crf34-q2-k3s",
        "34-2",
        "crf34-q2-r8-k3",
        "q2-crf34",
        "crf34-q2.5",
    ],
)
def test_what_names_no_options(setting: str) -> None:
    with pytest.raises(OptionError, match="is no setting"):
        with_setting(EncodeOptions(), setting)


def test_a_number_out_of_range() -> None:
    with pytest.raises(OptionError, match="CRF"):
        with_setting(EncodeOptions(), "crf64-q1")
