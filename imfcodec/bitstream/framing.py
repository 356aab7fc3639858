"""Packets as bytes: mark, head, payload, checksum (FORMAT.md, section 4)."""

from __future__ import annotations

import zlib
from dataclasses import dataclass

from imfcodec.bitstream.limits import FORMAT_LIMITS, Limits, check_size
from imfcodec.bitstream.packets import (
    KIND_RUN,
    TYPE_AUDIO,
    TYPE_END,
    TYPE_EXTENSION,
    TYPE_KEY,
    TYPE_LAYER,
    TYPE_PREDICTED_KEY,
    TYPE_TOKENS,
)
from imfcodec.bitstream.source import ByteSource
from imfcodec.bitstream.varint import read_varint, write_varint
from imfcodec.errors import CorruptStream, LimitExceeded

SYNC_MARK = b"\x00IMK"
"""Precedes key packets, those of layers too, and packets that begin a run, but not predicted key
packets. No head begins with 0x00, as there is no type 0."""

_TYPE_BITS = 3
_CRC_BYTES = 4
_MAX_HEAD_BYTES = 10

TYPE_NAMES = {
    TYPE_KEY: "key packet",
    TYPE_TOKENS: "token packet",
    TYPE_AUDIO: "audio packet",
    TYPE_LAYER: "layer packet",
    TYPE_END: "end packet",
    TYPE_PREDICTED_KEY: "predicted key packet",
    TYPE_EXTENSION: "extension packet",
}


@dataclass(frozen=True, slots=True)
class FramedPacket:
    """A packet with a correct checksum; its payload is not parsed yet.

    Attributes:
        packet_type: 1 to 7.
        payload: Bytes between head and checksum.
        size_bytes: Bytes of the whole packet with mark, head and checksum.
    """

    packet_type: int
    payload: bytes
    size_bytes: int


@dataclass(frozen=True, slots=True)
class Fault:
    """Why there is no packet at a position.

    Attributes:
        reason: A message.
        packet_type: Type in the head if the packet is complete and only its checksum is wrong;
            otherwise 0.
        size_bytes: Size of the packet if it is complete, otherwise 0. These bytes were checksummed
            in vain.
    """

    reason: str
    packet_type: int = 0
    size_bytes: int = 0


def write_frame(packet_type: int, payload: bytes, *, with_mark: bool) -> bytes:
    """Frames a payload.

    Raises:
        LimitExceeded: The payload is above the limit of its type.
    """
    check_payload_size(packet_type, len(payload), FORMAT_LIMITS)
    checked = write_varint(len(payload) << _TYPE_BITS | packet_type) + payload
    crc = zlib.crc32(checked).to_bytes(_CRC_BYTES, "little")
    return (SYNC_MARK if with_mark else b"") + checked + crc


def read_frame(
    source: ByteSource, start: int, limits: Limits, *, is_first: bool = False
) -> FramedPacket | Fault:
    """Looks for a packet; consumes nothing.

    Args:
        source: The stream.
        start: Where the packet should begin, in bytes after the next byte of the source.
        limits: Checked before the payload is read into memory.
        is_first: Whether the packet follows the stream header. It must then be a key packet, that
            of a layer, or begin a run. A key packet of the base may lack the mark.

    Returns:
        The packet, or the reason why there is none.

    Raises:
        InputUnreadable: The file cannot be read.
    """
    marked = source.peek(start, start + 1) == SYNC_MARK[:1]
    head_start = start + len(SYNC_MARK) if marked else start
    if marked and (found := source.peek(start, head_start)) != SYNC_MARK:
        return _cut_off() if SYNC_MARK.startswith(found) else Fault("no packet begins here")
    try:
        packet_type, payload_bytes, payload_start = _read_head(source, head_start)
        if not _may_begin(packet_type, marked, is_first):
            return Fault("no packet begins here")
        check_payload_size(packet_type, payload_bytes, limits)
    except (CorruptStream, LimitExceeded) as error:
        return Fault(str(error))
    payload_end = payload_start + payload_bytes
    end = payload_end + _CRC_BYTES
    if not source.ensure(end):
        return _cut_off(packet_type)
    checked = source.peek(head_start, payload_end)
    if zlib.crc32(checked) != int.from_bytes(source.peek(payload_end, end), "little"):
        reason = f"{TYPE_NAMES[packet_type]}: wrong checksum"
        return Fault(reason, packet_type, end - start)
    payload = checked[payload_start - head_start :]
    if packet_type == TYPE_LAYER and _is_entry(payload) != marked:
        return Fault("no packet begins here", size_bytes=end - start)
    return FramedPacket(packet_type, payload, end - start)


def _may_begin(packet_type: int, marked: bool, is_first: bool) -> bool:
    """Whether a packet of a type may begin with or without a mark."""
    if marked:
        return packet_type in (TYPE_KEY, TYPE_LAYER)
    return packet_type in TYPE_NAMES and (packet_type == TYPE_KEY) == is_first


def _is_entry(payload: bytes) -> bool:
    """Whether the payload of a packet of type 4 holds a key packet or begins a run."""
    return bool(payload) and payload[0] & (1 << _TYPE_BITS) - 1 in (TYPE_KEY, KIND_RUN)


def _read_head(source: ByteSource, start: int) -> tuple[int, int, int]:
    """Returns the type, the payload size in bytes and the position of the payload.

    The head is read byte by byte, as the packet may be the last one in a live pipe.
    """
    head = b""
    while len(head) < _MAX_HEAD_BYTES and (not head or head[-1] >= 0x80):
        byte = source.peek(start + len(head), start + len(head) + 1)
        if not byte:
            raise CorruptStream("the file ends within a packet head")
        head += byte
    value, size_bytes = read_varint(head, 0)
    return value & (1 << _TYPE_BITS) - 1, value >> _TYPE_BITS, start + size_bytes


def check_payload_size(packet_type: int, size_bytes: int, limits: Limits) -> None:
    """Checks the payload of a packet.

    Raises:
        LimitExceeded: It is above the limit of its type.
    """
    limit_bytes = {
        TYPE_KEY: limits.max_key_bytes,
        TYPE_TOKENS: limits.max_token_bytes,
        TYPE_AUDIO: limits.max_audio_bytes,
        TYPE_LAYER: limits.max_layer_bytes,
        TYPE_END: limits.max_end_bytes,
        TYPE_PREDICTED_KEY: limits.max_predicted_key_bytes,
        TYPE_EXTENSION: limits.max_extension_bytes,
    }[packet_type]
    check_size(TYPE_NAMES[packet_type], size_bytes, limit_bytes)


def _cut_off(packet_type: int = 0) -> Fault:
    return Fault(f"the file ends within a {TYPE_NAMES.get(packet_type, 'packet')}")
