"""The signature and the stream header (FORMAT.md, sections 2 and 3)."""

from __future__ import annotations

import zlib
from fractions import Fraction

from imfcodec.bitstream.cursor import Cursor
from imfcodec.bitstream.limits import FORMAT_LIMITS, Limits, check_count, check_size
from imfcodec.bitstream.parameters import (
    AUDIO_CODEC_OPUS,
    BLOCK,
    KEY_CODEC_AV1,
    TOKEN_SIZES,
    AudioParameters,
    ColourTags,
    Geometry,
    StreamHeader,
)
from imfcodec.bitstream.rules import require
from imfcodec.bitstream.signature import SIGNATURE, read_signature
from imfcodec.bitstream.source import ByteSource, Readable
from imfcodec.bitstream.varint import read_varint, write_varint
from imfcodec.errors import CorruptStream, LimitExceeded, UnsupportedVersion

__all__ = [
    "AUDIO_CODEC_OPUS",
    "FORMAT_VERSION",
    "KEY_CODEC_AV1",
    "TOKEN_SIZES",
    "AudioParameters",
    "ColourTags",
    "Geometry",
    "StreamHeader",
    "read_header",
    "write_header",
]

FORMAT_VERSION = 1

_COLOUR_BT709 = 1
_COLOUR_BT601 = 2
_COLOUR_EXPLICIT = 3

_FLAG_AUDIO = 1 << 4
_FLAG_PADDING = 1 << 5
_FLAG_DISPLAY = 1 << 6
_FLAG_DURATION_DENOMINATOR = 1 << 7
_FLAG_TIME_BASE_NUMERATOR = 1 << 8
_FLAG_ASPECT = 1 << 9
_FLAG_WINDOWS = 1 << 10
_FLAG_HOLDS = 1 << 11
_KNOWN_FLAGS = (1 << 12) - 1

_COLOUR_PRESETS = {
    _COLOUR_BT709: ColourTags(matrix=1, transfer=1, primaries=1, full_range=False),
    _COLOUR_BT601: ColourTags(matrix=6, transfer=6, primaries=6, full_range=False),
}


def write_header(header: StreamHeader) -> bytes:
    """Writes signature and stream header.

    Raises:
        LimitExceeded: A size is above the limits of the format.
    """
    _check_limits(header, FORMAT_LIMITS)
    body = _write_body(header)
    checked = bytes([FORMAT_VERSION]) + write_varint(len(body)) + body
    return SIGNATURE + checked + zlib.crc32(checked).to_bytes(4, "little")


def read_header(file: Readable, limits: Limits = FORMAT_LIMITS) -> StreamHeader:
    """Reads the signature and the stream header, and no byte after them.

    Raises:
        NotImfStream: The signature is another one; the message says if text mode damaged it.
        UnsupportedVersion: The stream needs a newer reader.
        CorruptStream: The file ends within the header, or the header breaks a rule.
        LimitExceeded: A size is above `limits`.
        InputUnreadable: The file cannot be read.
    """
    source = ByteSource(file)
    read_signature(source)
    checked = _read_exactly(source, 1)
    if checked[0] != FORMAT_VERSION:
        raise UnsupportedVersion(
            f"the stream has format version {checked[0]}, this reader knows {FORMAT_VERSION}"
        )
    while len(checked) == 1 or (checked[-1] >= 0x80 and len(checked) <= 10):
        checked += _read_exactly(source, 1)
    size_bytes, _ = read_varint(checked, 1)
    check_size("stream header", size_bytes, limits.max_header_bytes)
    body = _read_exactly(source, size_bytes)
    crc = _read_exactly(source, 4)
    if zlib.crc32(checked + body) != int.from_bytes(crc, "little"):
        raise CorruptStream("the stream header has a wrong checksum")
    header = _read_body(Cursor(body), limits)
    _check_limits(header, limits)
    return header


def _read_exactly(source: ByteSource, count: int) -> bytes:
    data = source.read(count)
    if len(data) < count:
        raise CorruptStream("the file ends within the header")
    return data


def _check_limits(header: StreamHeader, limits: Limits) -> None:
    geometry = header.geometry
    for what, width, height in (
        ("coded", geometry.coded_width, geometry.coded_height),
        ("display", geometry.display_width, geometry.display_height),
    ):
        if width * height > limits.max_pixels:
            raise LimitExceeded(
                f"{what} size {width}x{height}, the limit is {limits.max_pixels} pixels"
            )
    check_size("key configuration", len(header.key_config), limits.max_key_config_bytes)
    if header.windows:
        check_count("window layers", header.windows, limits.max_windows)
    if header.audio:
        extradata_bytes = len(header.audio.extradata)
        check_size("audio extradata", extradata_bytes, limits.max_audio_extradata_bytes)


def _write_body(header: StreamHeader) -> bytes:
    """Writes the header fields; a typical stream needs only low flags, which fit one byte."""
    flags = TOKEN_SIZES.index(header.token_size)
    geometry, time_base, duration = header.geometry, header.time_base, header.nominal_duration
    fields = [
        header.weights_id,
        write_varint(geometry.coded_width // BLOCK),
        write_varint(geometry.coded_height // BLOCK),
        write_varint(header.quantiser),
    ]
    if time_base.numerator != 1:
        flags |= _FLAG_TIME_BASE_NUMERATOR
        fields.append(write_varint(time_base.numerator))
    fields += [write_varint(time_base.denominator), write_varint(duration.numerator)]
    if duration.denominator != 1:
        flags |= _FLAG_DURATION_DENOMINATOR
        fields.append(write_varint(duration.denominator))
    padding = (
        geometry.coded_width - geometry.scaled_width,
        geometry.coded_height - geometry.scaled_height,
    )
    if any(padding):
        flags |= _FLAG_PADDING
        fields += map(write_varint, padding)
    display = (geometry.display_width, geometry.display_height)
    if display != (geometry.scaled_width, geometry.scaled_height):
        flags |= _FLAG_DISPLAY
        fields += map(write_varint, display)
    if header.windows:
        flags |= _FLAG_WINDOWS
        fields.append(bytes([header.windows]))
    if header.sample_aspect_ratio != 1:
        flags |= _FLAG_ASPECT
        fields += map(write_varint, header.sample_aspect_ratio.as_integer_ratio())
    flags |= header.holds * _FLAG_HOLDS
    colour_code, colour_fields = _write_colour(header.colour)
    flags |= colour_code << 2
    fields.append(colour_fields)
    if header.audio:
        flags |= _FLAG_AUDIO
        fields.append(_write_audio(header.audio))
    fields += [bytes([header.key_codec]), write_varint(len(header.key_config)), header.key_config]
    return write_varint(flags) + b"".join(fields)


def _read_body(body: Cursor, limits: Limits) -> StreamHeader:
    """Reads the header fields; bytes after the last field are ignored, for later extensions."""
    flags = body.varint()
    if flags & ~_KNOWN_FLAGS:
        raise UnsupportedVersion(f"stream header flags {flags:#x} need a newer reader")
    weights_id = body.take(4)
    coded = body.varint() * BLOCK, body.varint() * BLOCK
    quantiser = body.varint()
    time_base = _read_ratio(body, has_numerator=bool(flags & _FLAG_TIME_BASE_NUMERATOR))
    duration = _read_ratio(body, has_denominator=bool(flags & _FLAG_DURATION_DENOMINATOR))
    padding = (body.varint(), body.varint()) if flags & _FLAG_PADDING else (0, 0)
    scaled = coded[0] - padding[0], coded[1] - padding[1]
    display = (body.varint(), body.varint()) if flags & _FLAG_DISPLAY else scaled
    windows = body.u8() if flags & _FLAG_WINDOWS else 0
    require(windows > 0 or not flags & _FLAG_WINDOWS, "no window layers")
    aspect = _read_ratio(body) if flags & _FLAG_ASPECT else Fraction(1)
    colour = _read_colour(body, flags >> 2 & 3)
    audio = _read_audio(body, limits) if flags & _FLAG_AUDIO else None
    return StreamHeader(
        weights_id=weights_id,
        geometry=Geometry(*coded, *scaled, *display),
        token_size=TOKEN_SIZES[flags & 3],
        quantiser=quantiser,
        time_base=time_base,
        nominal_duration=duration,
        key_codec=body.u8(),
        key_config=body.sized("key configuration", limits.max_key_config_bytes),
        sample_aspect_ratio=aspect,
        colour=colour,
        audio=audio,
        windows=windows,
        holds=bool(flags & _FLAG_HOLDS),
    )


def _read_ratio(
    body: Cursor, *, has_numerator: bool = True, has_denominator: bool = True
) -> Fraction:
    numerator = body.varint() if has_numerator else 1
    denominator = body.varint() if has_denominator else 1
    require(denominator > 0, "a ratio over zero")
    return Fraction(numerator, denominator)


def _write_colour(colour: ColourTags | None) -> tuple[int, bytes]:
    """Writes the colour tags; the two common descriptions are a code and take no byte."""
    if colour is None:
        return 0, b""
    for code, preset in _COLOUR_PRESETS.items():
        if colour == preset:
            return code, b""
    return _COLOUR_EXPLICIT, bytes(
        [colour.matrix, colour.transfer, colour.primaries, colour.full_range]
    )


def _read_colour(body: Cursor, code: int) -> ColourTags | None:
    if code != _COLOUR_EXPLICIT:
        return _COLOUR_PRESETS.get(code)
    matrix, transfer, primaries, full_range = body.take(4)
    require(full_range < 2, f"colour range {full_range}")
    return ColourTags(matrix, transfer, primaries, bool(full_range))


def _write_audio(audio: AudioParameters) -> bytes:
    return b"".join(
        (
            bytes([audio.codec]),
            write_varint(audio.sample_rate),
            bytes([audio.channels]),
            write_varint(audio.pre_skip),
            write_varint(len(audio.extradata)),
            audio.extradata,
        )
    )


def _read_audio(body: Cursor, limits: Limits) -> AudioParameters:
    return AudioParameters(
        codec=body.u8(),
        sample_rate=body.varint(),
        channels=body.u8(),
        pre_skip=body.varint(),
        extradata=body.sized("audio extradata", limits.max_audio_extradata_bytes),
    )
