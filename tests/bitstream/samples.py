"""Small streams that the tests share."""

from __future__ import annotations

import io
import zlib
from collections.abc import Iterable
from dataclasses import replace
from fractions import Fraction

from imfcodec.bitstream import (
    AUDIO_CODEC_OPUS,
    AudioPacket,
    AudioParameters,
    Damage,
    ExtensionPacket,
    Geometry,
    KeyPacket,
    Packet,
    PredictedKeyPacket,
    StreamHeader,
    StreamReader,
    StreamWriter,
    TokenPacket,
)

HEADER = StreamHeader(
    weights_id=bytes.fromhex("a1b2c3d4"),
    geometry=Geometry(256, 256, 256, 256, 256, 256),
    token_size=32,
    quantiser=20,
    time_base=Fraction(1, 12800),
    nominal_duration=Fraction(512),
    key_config=b"\x0a\x0b",
)
AUDIO = AudioParameters(AUDIO_CODEC_OPUS, sample_rate=44100, channels=2, pre_skip=312)
SOUND_HEADER = replace(HEADER, audio=AUDIO)

START_PTS = 1000
"""Not zero, so that a reader that forgets the anchor is found out."""

PACKETS: tuple[Packet, ...] = (
    KeyPacket(0, START_PTS, token=b"tok0", picture=b"picture zero"),
    TokenPacket(1, tuple(START_PTS + 512 * n for n in (1, 2, 3)), b"tokens 1-3", key=0),
    AudioPacket(-312, (b"opus a", b"", b"opus b")),
    TokenPacket(4, (3050, 3600), b"tokens 4-5 late"),
    KeyPacket(6, 4100, b"tok6", b"picture six", config=b"cfg", restoration=2),
    ExtensionPacket(subtype=42, data=b"note"),
    TokenPacket(7, (4612, 5124), b"tokens 7-8", key=6),
    PredictedKeyPacket(9, 5636, origin=6, token=b"tok9", picture=b"picture nine", restoration=1),
    TokenPacket(10, (6148,), b"token 10", key=9),
)
END_PTS = 6660


def write_stream(
    packets: Iterable[Packet] = PACKETS,
    end_pts: int = END_PTS,
    header: StreamHeader = SOUND_HEADER,
) -> bytes:
    file = io.BytesIO()
    writer = StreamWriter(file, header)
    for packet in packets:
        writer.write(packet)
    writer.finish(end_pts)
    assert writer.sizes.total_bytes == len(file.getvalue())
    return file.getvalue()


def read_stream(data: bytes) -> list[Packet | Damage]:
    return list(StreamReader(io.BytesIO(data)))


def damages(items: Iterable[Packet | Damage]) -> list[Damage]:
    return [item for item in items if isinstance(item, Damage)]


def packets(items: Iterable[Packet | Damage]) -> list[Packet]:
    return [item for item in items if not isinstance(item, Damage)]


def frame_bytes(head: bytes, payload: bytes) -> bytes:
    """A packet with right checksum, whatever head and payload say."""
    return head + payload + zlib.crc32(head + payload).to_bytes(4, "little")


def sealed_header(body: bytes, version: int = 1) -> bytes:
    """Signature and header with right checksum around any body of less than 128 bytes."""
    return b"\x89IMF\r\n\n" + frame_bytes(bytes([version, len(body)]), body)
