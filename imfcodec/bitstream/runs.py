"""Packets of AV1 runs of the base to payloads and back (FORMAT.md, section 5.8)."""

from __future__ import annotations

from imfcodec.bitstream.cursor import Cursor
from imfcodec.bitstream.limits import FORMAT_LIMITS, Limits, check_count
from imfcodec.bitstream.packets import (
    KIND_RUN,
    KIND_RUN_CONTINUED,
    RunPacket,
    check_hold,
    low_bits,
)
from imfcodec.bitstream.payloads import read_steps, regular_pts, write_pts, write_steps
from imfcodec.bitstream.rules import require
from imfcodec.bitstream.timeline import Timeline
from imfcodec.bitstream.varint import write_svarint, write_varint

_RESTORATION = 0b11
_IRREGULAR = 1 << 2
_RESTORES_EACH = 1 << 3


def write_run(packet: RunPacket, timeline: Timeline) -> bytes:
    """Writes the payload of a run packet; timestamps only if one is irregular.

    Raises:
        LimitExceeded: There are more frames than the format allows.
    """
    first, pts = packet.first_frame, packet.pts
    check_count("frames", len(pts), FORMAT_LIMITS.max_frames_per_packet)
    clock = timeline.anchored(first, pts[0]) if packet.begins else timeline
    irregular = pts != regular_pts(first, len(pts), clock)
    if packet.begins:
        flags = packet.restoration | irregular * _IRREGULAR
        flags |= packet.restores_each * _RESTORES_EACH
        fields = [bytes([KIND_RUN, flags]), write_varint(first), write_svarint(pts[0])]
        fields += map(write_varint, (packet.hold, len(pts)))
        if irregular:
            fields.append(write_steps(pts, clock))
    else:
        fields = [bytes([KIND_RUN_CONTINUED]), write_varint(len(pts) << 1 | irregular)]
        fields += [bytes([low_bits(first)]), write_varint(packet.hold)]
        if irregular:
            fields.append(write_pts(pts, clock))
    fields += map(write_varint, map(len, packet.units))
    return b"".join(fields) + b"".join(packet.units)


def read_run(kind: int, payload: Cursor, timeline: Timeline, limits: Limits) -> RunPacket:
    """Reads the payload of a run packet after its kind."""
    require(kind in (KIND_RUN, KIND_RUN_CONTINUED), f"a packet of kind {kind} in layer 0")
    begins = kind == KIND_RUN
    if begins:
        flags = payload.u8()
        restoration, irregular = flags & _RESTORATION, flags & _IRREGULAR
        each = flags & _RESTORES_EACH
        require(flags == restoration | irregular | each, "reserved flags of a run")
        first_frame, first_pts = payload.varint(), payload.svarint()
        hold, count = payload.varint(), payload.varint()
        timeline = timeline.anchored(first_frame, first_pts)
    else:
        restoration = each = 0
        count, irregular = divmod(payload.varint(), 2)
        first_frame = timeline.unwrap(payload.u8())
        hold = payload.varint()
        first_pts = payload.svarint() if irregular else timeline.nominal_pts(first_frame)
    check_hold(hold)
    check_count("frames", count, limits.max_frames_per_packet)
    pts = (
        read_steps(payload, first_pts, count, timeline)
        if irregular
        else regular_pts(first_frame, count, timeline)
    )
    sizes_bytes = [payload.varint() for _ in range(-(-count // hold))]
    units = tuple(map(payload.take, sizes_bytes))
    payload.finish()
    return RunPacket(first_frame, pts, units, hold, begins, restoration, bool(each))
