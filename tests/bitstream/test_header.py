from __future__ import annotations

import io
from dataclasses import replace
from fractions import Fraction

import pytest
from hypothesis import given
from hypothesis import strategies as st

from imfcodec.bitstream import (
    AUDIO_CODEC_OPUS,
    FORMAT_VERSION,
    KEY_CODEC_AV1,
    SIGNATURE,
    TOKEN_SIZES,
    AudioParameters,
    ColourTags,
    Geometry,
    Limits,
    StreamHeader,
    read_header,
    write_header,
)
from imfcodec.errors import CorruptStream, LimitExceeded, NotImfStream, UnsupportedVersion

from .samples import AUDIO, HEADER, sealed_header

RICH = StreamHeader(
    weights_id=b"\x01\x02\x03\x04",
    geometry=Geometry(480, 256, 456, 256, 1280, 718),
    token_size=128,
    quantiser=200,
    time_base=Fraction(1001, 30000),
    nominal_duration=Fraction(3, 2),
    key_config=b"seq",
    sample_aspect_ratio=Fraction(4, 3),
    colour=ColourTags(9, 16, 9, full_range=True),
    audio=replace(AUDIO, extradata=b"head"),
    holds=True,
)


def test_wire_ids() -> None:
    assert SIGNATURE.hex() == "89494d460d0a0a"
    assert FORMAT_VERSION == 1
    assert KEY_CODEC_AV1 == 1
    assert AUDIO_CODEC_OPUS == 1
    assert TOKEN_SIZES == (16, 32, 64, 128)


def test_golden_small() -> None:
    assert write_header(HEADER).hex() == (
        "89494d460d0a0a"  # signature
        "0110"  # version, body length
        "01a1b2c3d4"  # flags, weights
        "0808"  # coded size
        "14"  # quantiser
        "80648004"  # time base, frame duration
        "01020a0b"  # key codec and configuration
        "66b25a31"  # checksum
    )


def test_golden_rich() -> None:
    assert write_header(RICH).hex() == (
        "89494d460d0a0a"
        "012e"
        "ff17"  # all flags but that of windows
        "01020304"
        "0f08"
        "c801"
        "e907b0ea01"
        "0302"
        "1800"  # padding
        "800ace05"  # display size
        "0403"  # sample aspect ratio
        "09100901"  # colour
        "01c4d80202b802"  # audio
        "0468656164"  # extradata
        "0103736571"
        "04c81789"
    )


def test_golden_windows() -> None:
    plain, windowed = write_header(RICH)[9:-4], write_header(replace(RICH, windows=3))[9:-4]
    behind_display_size = plain.index(b"\x80\x0a\xce\x05") + 4
    assert windowed[:2] == b"\xff\x1f"
    assert windowed[2:] == plain[2:behind_display_size] + b"\x03" + plain[behind_display_size:]


@pytest.mark.parametrize(
    ("colour", "code"),
    [
        (None, 0),
        (ColourTags(1, 1, 1, full_range=False), 1),
        (ColourTags(6, 6, 6, full_range=False), 2),
    ],
)
def test_common_colours_take_no_byte(colour: ColourTags | None, code: int) -> None:
    coded = write_header(replace(HEADER, colour=colour))
    assert len(coded) == len(write_header(HEADER))
    assert coded[9] >> 2 == code
    assert read_header(io.BytesIO(coded)).colour == colour


terms = st.integers(1, 2**32 - 1)
ratios = st.builds(Fraction, terms, terms)
u8s = st.integers(0, 255)


@st.composite
def geometries(draw: st.DrawFn) -> Geometry:
    coded = 32 * draw(st.integers(1, 60)), 32 * draw(st.integers(1, 60))
    scaled = draw(st.integers(1, coded[0])), draw(st.integers(1, coded[1]))
    sides = st.integers(1, 3000)
    display = draw(st.one_of(st.just(scaled), st.tuples(sides, sides)))
    return Geometry(*coded, *scaled, *display)


headers = st.builds(
    StreamHeader,
    weights_id=st.binary(min_size=4, max_size=4),
    geometry=geometries(),
    token_size=st.sampled_from(TOKEN_SIZES),
    quantiser=u8s,
    time_base=ratios,
    nominal_duration=ratios,
    key_config=st.binary(max_size=100),
    sample_aspect_ratio=st.one_of(st.just(Fraction(1)), ratios),
    colour=st.none() | st.builds(ColourTags, u8s, u8s, u8s, st.booleans()),
    audio=st.none()
    | st.builds(
        AudioParameters,
        st.integers(1, 255),
        terms,
        st.integers(1, 255),
        st.integers(0, 2**32 - 1),
        st.binary(max_size=40),
    ),
    windows=st.integers(0, 4),
)


@given(headers)
def test_round_trip(header: StreamHeader) -> None:
    file = io.BytesIO(write_header(header) + b"next")
    assert read_header(file) == header
    assert file.read() == b"next"


def test_trailing_fields_of_the_body_are_ignored() -> None:
    body = write_header(HEADER)[9:-4]
    assert read_header(io.BytesIO(sealed_header(body + b"later"))) == HEADER


@pytest.mark.parametrize("header", [HEADER, RICH])
def test_ends_within(header: StreamHeader) -> None:
    data = write_header(header)
    for cut in range(1, len(data)):
        with pytest.raises(CorruptStream, match="ends within the header"):
            read_header(io.BytesIO(data[:cut]))


def test_empty_file() -> None:
    with pytest.raises(NotImfStream, match="empty"):
        read_header(io.BytesIO())


@pytest.mark.parametrize(
    ("damaged", "message"),
    [
        (write_header(HEADER).replace(b"\r\n", b"\n"), "CR LF became LF"),
        (write_header(HEADER).replace(b"\n", b"\r\n"), "LF became CR LF"),
        (bytes(byte & 0x7F for byte in write_header(HEADER)), "high bit"),
        (write_header(HEADER).decode("latin-1").encode(), "UTF-8"),
        (write_header(HEADER).decode("utf-8", "replace").encode(), "UTF-8"),
    ],
)
def test_text_mode_is_named(damaged: bytes, message: str) -> None:
    with pytest.raises(NotImfStream, match=message):
        read_header(io.BytesIO(damaged))


def test_another_format() -> None:
    with pytest.raises(NotImfStream, match="89 50 4e 47"):
        read_header(io.BytesIO(b"\x89PNG\r\n\x1a\n and so on"))


def test_newer_version_names_both() -> None:
    with pytest.raises(UnsupportedVersion, match="version 7, this reader knows 1"):
        read_header(io.BytesIO(sealed_header(b"", version=7)))


def test_reserved_flag() -> None:
    with pytest.raises(UnsupportedVersion, match="flags"):
        read_header(io.BytesIO(sealed_header(b"\x80\x20" + b"\x01" * 30)))


def test_any_key_codec_can_be_read() -> None:
    body = bytearray(write_header(HEADER)[9:-4])
    body[-4] = 9
    assert read_header(io.BytesIO(sealed_header(bytes(body)))).key_codec == 9


def test_wrong_checksum() -> None:
    data = bytearray(write_header(HEADER))
    data[12] ^= 1
    with pytest.raises(CorruptStream, match="checksum"):
        read_header(io.BytesIO(bytes(data)))


@pytest.mark.parametrize(
    "wrong",
    [
        {"weights_id": b"abc"},
        {"token_size": 33},
        {"quantiser": 256},
        {"quantiser": -1},
        {"time_base": Fraction(0)},
        {"time_base": Fraction(1, 2**32)},
        {"nominal_duration": Fraction(-1)},
        {"nominal_duration": Fraction(2**32)},
        {"sample_aspect_ratio": Fraction(0)},
        {"windows": 256},
    ],
)
def test_header_rules(wrong: dict[str, object]) -> None:
    with pytest.raises(CorruptStream):
        replace(HEADER, **wrong)  # type: ignore[arg-type]


@pytest.mark.parametrize(
    "sizes",
    [
        (250, 256, 250, 256, 1, 1),
        (0, 256, 0, 256, 1, 1),
        (256, 256, 257, 256, 1, 1),
        (256, 256, 256, 0, 1, 1),
        (256, 256, 256, 256, 0, 1),
    ],
)
def test_geometry_rules(sizes: tuple[int, int, int, int, int, int]) -> None:
    with pytest.raises(CorruptStream):
        Geometry(*sizes)


def test_ratio_over_zero() -> None:
    body = bytes.fromhex("01a1b2c3d40808140080040100")
    with pytest.raises(CorruptStream, match="over zero"):
        read_header(io.BytesIO(sealed_header(body)))


def test_number_of_windows() -> None:
    with pytest.raises(LimitExceeded, match="5 window layers"):
        write_header(replace(HEADER, windows=5))
    with pytest.raises(LimitExceeded, match="3 window layers"):
        read_header(io.BytesIO(write_header(replace(HEADER, windows=3))), Limits(max_windows=2))
    body = write_header(replace(HEADER, windows=1))[9:-4]
    none = body.replace(b"\x80\x04\x01", b"\x80\x04\x00", 1)
    with pytest.raises(CorruptStream, match="no window layers"):
        read_header(io.BytesIO(sealed_header(none)))


def test_too_many_pixels() -> None:
    wide = Geometry(16384, 8192, 1, 1, 1, 1)
    with pytest.raises(LimitExceeded, match="16384x8192"):
        write_header(replace(HEADER, geometry=wide))
    with pytest.raises(LimitExceeded, match="coded size 256x256"):
        read_header(io.BytesIO(write_header(HEADER)), Limits(max_pixels=65535))
    shown_wide = Geometry(32, 32, 32, 32, 70000, 70000)
    with pytest.raises(LimitExceeded, match="display size"):
        write_header(replace(HEADER, geometry=shown_wide))


def test_too_long() -> None:
    with pytest.raises(LimitExceeded, match="key configuration of 1025"):
        write_header(replace(HEADER, key_config=bytes(1025)))
    with pytest.raises(LimitExceeded, match="extradata of 4097"):
        write_header(replace(HEADER, audio=replace(AUDIO, extradata=bytes(4097))))
    with pytest.raises(LimitExceeded, match="stream header of 65537"):
        read_header(io.BytesIO(SIGNATURE + b"\x01\x81\x80\x04"))


def test_audio_time_base() -> None:
    assert AUDIO.time_base == Fraction(1, 48000)
