"""Packets to payloads and back, one pair of functions per type (FORMAT.md, section 5)."""

from __future__ import annotations

from itertools import accumulate, pairwise

from imfcodec.bitstream.cursor import Cursor
from imfcodec.bitstream.limits import (
    FORMAT_LIMITS,
    Limits,
    check_count,
    check_frames,
    check_size,
)
from imfcodec.bitstream.packets import (
    TYPE_KEY,
    TYPE_PREDICTED_KEY,
    TYPE_TOKENS,
    AudioPacket,
    EndPacket,
    ExtensionPacket,
    KeyPacket,
    PredictedKeyPacket,
    TokenPacket,
    VideoPacket,
    low_bits,
)
from imfcodec.bitstream.rules import require
from imfcodec.bitstream.timeline import Timeline
from imfcodec.bitstream.varint import write_svarint, write_varint
from imfcodec.errors import UnsupportedVersion

_KEY_RESERVED, _KEY_RESERVED_VALUE = 0b111, 0b001
_KEY_CONFIG = 1 << 3
_KEY_LEAD = 1 << 4
_KEY_LEAD_IRREGULAR = 1 << 5
_KEY_RESTORATION_SHIFT = 6

_PREDICTED_IRREGULAR = 1 << 0
_PREDICTED_LEAD = 1 << 1
_PREDICTED_RESTORATION_SHIFT = 2
_PREDICTED_TOKEN_SHIFT = 4

_TOKENS_IRREGULAR = 0
_TOKENS_CHAINED = 1 << 0
_TOKENS_COUNT_SHIFT = 1


def write_video(packet: VideoPacket, timeline: Timeline) -> tuple[int, bytes]:
    """Writes a packet that carries frames: its type and its payload."""
    match packet:
        case KeyPacket():
            return TYPE_KEY, write_key(packet, timeline)
        case PredictedKeyPacket():
            return TYPE_PREDICTED_KEY, write_predicted_key(packet, timeline)
        case TokenPacket():
            return TYPE_TOKENS, write_tokens(packet, timeline)


def read_video(
    packet_type: int, payload: Cursor, timeline: Timeline, limits: Limits
) -> VideoPacket:
    """Reads the payload of a key, predicted key or token packet."""
    if packet_type == TYPE_KEY:
        return read_key(payload, timeline, limits)
    if packet_type == TYPE_PREDICTED_KEY:
        return read_predicted_key(payload, timeline, limits)
    return read_tokens(payload, timeline, limits)


def write_key(packet: KeyPacket, timeline: Timeline) -> bytes:
    """Writes the payload of a key packet."""
    flags = _KEY_RESERVED_VALUE | packet.restoration << _KEY_RESTORATION_SHIFT
    fields = [write_varint(packet.frame_number), write_svarint(packet.pts)]
    if packet.config is not None:
        flags |= _KEY_CONFIG
        check_size("key configuration", len(packet.config), FORMAT_LIMITS.max_key_config_bytes)
        fields += [write_varint(len(packet.config)), packet.config]
    if packet.lead:
        irregular = not _leads_regularly(packet, timeline)
        flags |= _KEY_LEAD | irregular * _KEY_LEAD_IRREGULAR
        fields.append(_write_lead(packet.lead, timeline, irregular))
    fields += [write_varint(len(packet.token)), packet.token, packet.picture]
    return _checked(bytes([flags]) + b"".join(fields), len(packet.lead))


def read_key(payload: Cursor, timeline: Timeline, limits: Limits) -> KeyPacket:
    """Reads the payload of a key packet."""
    payload_bytes = payload.left_bytes
    flags = payload.u8()
    require(flags & _KEY_RESERVED == _KEY_RESERVED_VALUE, "reserved flags of a key packet")
    frame_number = payload.varint()
    pts = payload.svarint()
    config = None
    if flags & _KEY_CONFIG:
        config = payload.sized("key configuration", limits.max_key_config_bytes)
    lead: tuple[int, ...] = ()
    if flags & _KEY_LEAD:
        count = _read_lead_count(payload, payload_bytes, limits)
        irregular = bool(flags & _KEY_LEAD_IRREGULAR)
        lead = _read_pts(payload, frame_number - count, count, timeline, irregular)
    return KeyPacket(
        frame_number=frame_number,
        pts=pts,
        token=payload.sized("token", limits.max_key_bytes),
        picture=payload.rest(),
        config=config,
        lead=lead,
        restoration=flags >> _KEY_RESTORATION_SHIFT,
    )


def write_predicted_key(packet: PredictedKeyPacket, timeline: Timeline) -> bytes:
    """Writes the payload of a predicted key packet; timestamps only if one is irregular."""
    irregular = packet.pts != timeline.nominal_key_pts(packet.frame_number)
    irregular = irregular or not _leads_regularly(packet, timeline)
    flags = irregular * _PREDICTED_IRREGULAR | bool(packet.lead) * _PREDICTED_LEAD
    flags |= packet.restoration << _PREDICTED_RESTORATION_SHIFT
    fields = [
        write_varint(len(packet.token) << _PREDICTED_TOKEN_SHIFT | flags),
        bytes([low_bits(packet.frame_number), packet.origin]),
    ]
    if irregular:
        fields.append(write_svarint(packet.pts))
    if packet.lead:
        fields.append(_write_lead(packet.lead, timeline, irregular))
    return _checked(b"".join(fields) + packet.token + packet.picture, len(packet.lead))


def read_predicted_key(payload: Cursor, timeline: Timeline, limits: Limits) -> PredictedKeyPacket:
    """Reads the payload of a predicted key packet; the timeline completes number and timestamp."""
    payload_bytes = payload.left_bytes
    size_and_flags = payload.varint()
    size_bytes = size_and_flags >> _PREDICTED_TOKEN_SHIFT
    check_size("token", size_bytes, limits.max_predicted_key_bytes)
    named, origin = payload.u8(), payload.u8()
    irregular = bool(size_and_flags & _PREDICTED_IRREGULAR)
    own_pts = payload.svarint() if irregular else None
    has_lead = size_and_flags & _PREDICTED_LEAD
    count = _read_lead_count(payload, payload_bytes, limits) if has_lead else 0
    frame_number = timeline.unwrap(named, count)
    return PredictedKeyPacket(
        frame_number=frame_number,
        pts=timeline.nominal_key_pts(frame_number) if own_pts is None else own_pts,
        origin=origin,
        lead=_read_pts(payload, frame_number - count, count, timeline, irregular),
        restoration=size_and_flags >> _PREDICTED_RESTORATION_SHIFT & 3,
        token=payload.take(size_bytes),
        picture=payload.rest(),
    )


def _leads_regularly(packet: KeyPacket | PredictedKeyPacket, timeline: Timeline) -> bool:
    count = len(packet.lead)
    return packet.lead == regular_pts(packet.frame_number - count, count, timeline)


def _write_lead(lead: tuple[int, ...], timeline: Timeline, irregular: bool) -> bytes:
    check_count("leading frames", len(lead), FORMAT_LIMITS.max_frames_per_packet)
    return write_varint(len(lead)) + (write_pts(lead, timeline) if irregular else b"")


def _read_lead_count(payload: Cursor, payload_bytes: int, limits: Limits) -> int:
    count = payload.varint()
    check_count("leading frames", count, limits.max_frames_per_packet)
    check_frames(count, payload_bytes, limits)
    return count


def write_tokens(packet: TokenPacket, timeline: Timeline) -> bytes:
    """Writes the payload of a token packet; timestamps only if one is irregular."""
    check_count("frames", len(packet.pts), FORMAT_LIMITS.max_frames_per_packet)
    regular = packet.pts == regular_pts(packet.first_frame, len(packet.pts), timeline)
    fields = [] if regular else [write_varint(_TOKENS_IRREGULAR)]
    fields += [
        write_varint(len(packet.pts) << _TOKENS_COUNT_SHIFT | packet.chained * _TOKENS_CHAINED),
        bytes([low_bits(packet.first_frame)]),
    ]
    if packet.key is not None:
        fields.append(bytes([packet.key]))
    if not regular:
        fields.append(write_pts(packet.pts, timeline))
    return _checked(b"".join(fields) + packet.payload, len(packet.pts))


def read_tokens(payload: Cursor, timeline: Timeline, limits: Limits) -> TokenPacket:
    """Reads the payload of a token packet; the timeline completes number and timestamps."""
    payload_bytes = payload.left_bytes
    count_and_flag = payload.varint()
    irregular = count_and_flag == _TOKENS_IRREGULAR
    if irregular:
        count_and_flag = payload.varint()
    count = count_and_flag >> _TOKENS_COUNT_SHIFT
    check_count("frames", count, limits.max_frames_per_packet)
    check_frames(count, payload_bytes, limits)
    first_frame = timeline.unwrap(payload.u8())
    key = None if count_and_flag & _TOKENS_CHAINED else payload.u8()
    pts = _read_pts(payload, first_frame, count, timeline, irregular)
    return TokenPacket(first_frame=first_frame, pts=pts, payload=payload.rest(), key=key)


def _checked(payload: bytes, frames: int) -> bytes:
    check_frames(frames, len(payload), FORMAT_LIMITS)
    return payload


def write_pts(pts: tuple[int, ...], timeline: Timeline) -> bytes:
    """Writes irregular timestamps of consecutive frames."""
    return write_svarint(pts[0]) + write_steps(pts, timeline)


def write_steps(pts: tuple[int, ...], timeline: Timeline) -> bytes:
    """Writes irregular timestamps of consecutive frames without the first one."""
    steps = (later - earlier - timeline.nominal_floor for earlier, later in pairwise(pts))
    return b"".join(map(write_svarint, steps))


def _read_pts(
    payload: Cursor, first_frame: int, count: int, timeline: Timeline, irregular: bool
) -> tuple[int, ...]:
    """Timestamps of consecutive frames; regular ones are not in the stream."""
    if not (irregular and count):
        return regular_pts(first_frame, count, timeline)
    return read_steps(payload, payload.svarint(), count, timeline)


def read_steps(payload: Cursor, first: int, count: int, timeline: Timeline) -> tuple[int, ...]:
    """Reads irregular timestamps of consecutive frames after the first one."""
    steps = [timeline.nominal_floor + payload.svarint() for _ in range(count - 1)]
    return tuple(accumulate(steps, initial=first))


def regular_pts(first_frame: int, count: int, timeline: Timeline) -> tuple[int, ...]:
    """Timestamps of consecutive frames by regular timing."""
    return tuple(map(timeline.nominal_pts, range(first_frame, first_frame + count)))


def write_audio(packet: AudioPacket) -> bytes:
    """Writes the payload of an audio packet."""
    check_count("audio packets", len(packet.packets), FORMAT_LIMITS.max_audio_per_packet)
    sizes = (write_varint(len(data)) for data in packet.packets)
    head = write_svarint(packet.pts) + write_varint(len(packet.packets))
    return head + b"".join(sizes) + b"".join(packet.packets)


def read_audio(payload: Cursor, limits: Limits) -> AudioPacket:
    """Reads the payload of an audio packet."""
    pts = payload.svarint()
    count = payload.varint()
    check_count("audio packets", count, limits.max_audio_per_packet)
    sizes = [payload.varint() for _ in range(count)]
    packets = tuple(payload.take(size_bytes) for size_bytes in sizes)
    payload.finish()
    return AudioPacket(pts, packets)


def write_end(packet: EndPacket, timeline: Timeline) -> bytes:
    """Writes the payload of an end packet; the lateness only if there is any."""
    late = packet.end_pts - timeline.nominal_pts(packet.frame_count)
    fields = write_varint(packet.frame_count)
    return fields + write_svarint(late) if late else fields


def read_end(payload: Cursor, timeline: Timeline) -> EndPacket:
    """Reads the payload of an end packet; the timeline completes the timestamp."""
    frame_count = payload.varint()
    late = payload.svarint() if payload.left_bytes else 0
    payload.finish()
    return EndPacket(frame_count, timeline.nominal_pts(frame_count) + late)


def write_extension(packet: ExtensionPacket) -> bytes:
    """Writes the payload of an extension packet."""
    return write_varint(packet.subtype) + packet.data


def read_extension(payload: Cursor) -> ExtensionPacket:
    """Reads the payload of an extension packet; no subtype is defined yet.

    Raises:
        UnsupportedVersion: The extension is critical.
    """
    packet = ExtensionPacket(payload.varint(), payload.rest())
    if packet.critical:
        raise UnsupportedVersion(f"critical extension {packet.subtype} needs a newer reader")
    return packet
