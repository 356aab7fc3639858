from __future__ import annotations

from pathlib import Path

import pytest

from imfcodec.bench.clip import Clip
from imfcodec.bench.codecs.imf import IMF
from imfcodec.bitstream import StreamReader, TokenPacket
from imfcodec.errors import DamagedStream, OptionError


@pytest.fixture
def clip(small_video: Path) -> Clip:
    return Clip.open(small_video)


@pytest.fixture
def codec(tiny_weights: str) -> IMF:
    return IMF("fast", tiny_weights)


@pytest.mark.usefixtures("portrait")
def test_round_trip(clip: Clip, codec: IMF, tmp_path: Path) -> None:
    encoded = codec.encode(clip, "60", tmp_path)
    assert encoded.size_bytes == encoded.path.stat().st_size
    assert encoded.key_frames == 1
    assert [p.shape for p in codec.decode(encoded, clip)] == [(64, 64, 3)] * 12
    reduced = Clip.open(clip.path, lines=48)
    assert [p.shape for p in codec.decode(encoded, reduced)] == [(48, 48, 3)] * 12


@pytest.mark.usefixtures("portrait")
def test_a_setting_is_a_quality(clip: Clip, codec: IMF, tmp_path: Path) -> None:
    sizes = [codec.encode(clip, setting, tmp_path).size_bytes for setting in ("10", "60", "97.5")]
    assert sizes == sorted(set(sizes))


@pytest.mark.parametrize("setting", ["", "q2", "crf34", "101", "-1", "nan"])
def test_what_is_no_setting(clip: Clip, codec: IMF, tmp_path: Path, setting: str) -> None:
    with pytest.raises(OptionError, match="quality"):
        codec.encode(clip, setting, tmp_path)


@pytest.mark.usefixtures("portrait")
def test_the_ladder_is_made_of_settings(clip: Clip, codec: IMF, tmp_path: Path) -> None:
    for setting in codec.settings:
        assert codec.encode(clip, setting, tmp_path).size_bytes > 0


@pytest.mark.usefixtures("portrait")
def test_a_repeated_frame_is_no_result(clip: Clip, codec: IMF, tmp_path: Path) -> None:
    encoded = codec.encode(clip, "60", tmp_path)
    data = bytearray(encoded.path.read_bytes())
    with encoded.path.open("rb") as file:
        reader = StreamReader(file)
        tokens = next(p for p in reader if isinstance(p, TokenPacket))
    data[data.index(tokens.payload)] ^= 0xFF
    encoded.path.write_bytes(data)
    with pytest.raises(DamagedStream):
        list(codec.decode(encoded, clip))


def test_name_and_version_are_those_of_the_weights(codec: IMF) -> None:
    assert codec.name.startswith("imf-fast-tiny-")
    assert codec.name.removeprefix("imf-fast-") in codec.version()
    assert codec.version() != IMF("fast", codec.weights, threads=2).version()
    assert codec.version() != IMF("best", codec.weights).version()
    assert codec.missing() is None
    assert codec.role == "ours"


def test_weights_that_are_not_there() -> None:
    codec = IMF("fast", "none-such")
    assert "none-such" in (codec.missing() or "")
    assert "none-such" in codec.name
    assert codec.version()


def test_weights_that_the_receiver_would_not_find(
    tiny_folder: Path, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.setenv("IMFCODEC_WEIGHTS", str(tmp_path))
    (path,) = tiny_folder.glob("tiny-*.safetensors")
    assert "IMFCODEC_WEIGHTS" in (IMF("fast", str(path)).missing() or "")
