"""From a file to packets, in order, without seeking, and past damage."""

from __future__ import annotations

from collections import deque
from fractions import Fraction
from hashlib import sha256

from imfcodec.bitstream.cursor import Cursor
from imfcodec.bitstream.framing import SYNC_MARK, TYPE_NAMES, Fault, FramedPacket, read_frame
from imfcodec.bitstream.header import read_header
from imfcodec.bitstream.layers import read_layer
from imfcodec.bitstream.limits import FORMAT_LIMITS, Limits
from imfcodec.bitstream.packets import (
    TYPE_AUDIO,
    TYPE_END,
    TYPE_EXTENSION,
    TYPE_KEY,
    TYPE_LAYER,
    TYPE_PREDICTED_KEY,
    TYPE_TOKENS,
    BasePacket,
    Damage,
    EndPacket,
    KeyPacket,
    LayerPacket,
    Packet,
    PredictedKeyPacket,
    RunPacket,
    TokenPacket,
    WindowEnd,
)
from imfcodec.bitstream.payloads import read_audio, read_end, read_extension, read_video
from imfcodec.bitstream.sizes import SizeLedger
from imfcodec.bitstream.source import ByteSource, Readable
from imfcodec.bitstream.timeline import Timeline
from imfcodec.errors import CorruptStream, LimitExceeded, UnsupportedVersion

_PASSABLE = frozenset((TYPE_PREDICTED_KEY, TYPE_TOKENS, TYPE_AUDIO, TYPE_LAYER, TYPE_EXTENSION))
"""Types that may be lost: later packets do not need them, or name what they need."""

_TAIL_BYTES = 80
"""An end packet is shorter: head, payload and checksum."""

_REMEMBERED = 128
"""A packet equal to one of this many earlier packets is a repetition."""

_REPEATABLE = frozenset((TYPE_KEY, TYPE_PREDICTED_KEY, TYPE_TOKENS, TYPE_LAYER, TYPE_END))
"""Types of which a stream holds no packet twice; repeated sound is recognised by its pts."""

_MIN_FALSE_PACKET_COST_BYTES = 256
"""Least cost of a false packet: even an empty one takes time."""


class StreamReader:
    """Reads signature and header at once; iterating then yields packets and damage.

    Nothing is read beyond the current packet. Memory is bounded by the largest packets that
    `limits` allow, and work is linear in the size of the file.

    Attributes:
        header: Parameters of the stream.
        sizes: Bytes read so far by kind; damaged bytes count as container.

    Args:
        file: Open for binary reading; the reader neither seeks in it nor closes it.
        limits: Largest sizes that it accepts.

    Raises:
        NotImfStream: The signature is another one, or was damaged by a text mode.
        UnsupportedVersion: The stream needs a newer reader.
        CorruptStream: The header is damaged, or the file ends within it.
        LimitExceeded: A size in the header is above `limits`.
        InputUnreadable: The file cannot be read.
    """

    def __init__(self, file: Readable, limits: Limits = FORMAT_LIMITS) -> None:
        self._source = ByteSource(file)
        self._limits = limits
        self.header = read_header(self._source, limits)
        self._timelines = [Timeline(self.header.nominal_duration)]  # of the base, of the layers
        self._timelines += (Timeline(Fraction(1)) for _ in range(self.header.windows))
        self._is_first = True
        self._end_seen = False
        self._exhausted = False
        self._wasted_bytes = 0
        self._lately: deque[bytes] = deque(maxlen=_REMEMBERED)  # digests
        self._last_keys: dict[int, bytes] = {}  # digest of the last key packet or run by layer
        self.repetitions = 0
        self.sizes = SizeLedger()
        self.sizes.add_header(self.header, self._source.offset)

    def __iter__(self) -> StreamReader:
        return self

    def __next__(self) -> Packet | Damage:
        """Returns the next packet, or a stretch of the file that gave none.

        Raises:
            StopIteration: After the end of the file.
            UnsupportedVersion: The stream needs a newer reader.
            InputUnreadable: The file failed.
        """
        while not self._exhausted:
            if not self._source.ensure(1):
                self._exhausted = True
                if self._end_seen:
                    break
                return Damage(self._source.offset, 0, "the file ends without an end packet", True)
            frame = read_frame(self._source, 0, self._limits, is_first=self._is_first)
            self._is_first = False
            if isinstance(frame, Fault):
                return self._trailing_data() if self._end_seen else self._pass_fault(frame)
            item = self._pass_frame(frame)
            if item is not None:
                return item
        raise StopIteration

    def _pass_frame(self, frame: FramedPacket) -> Packet | Damage | None:
        """The packet in a frame, or the damage that it is; None if it repeats an earlier one."""
        digest = bytes([frame.packet_type]) + sha256(frame.payload).digest()[:16]
        known = digest in self._lately or digest in self._last_keys.values()
        if self._end_seen and not known:
            return self._trailing_data()
        try:
            packet = self._parse(frame)
        except UnsupportedVersion:
            self._exhausted = True
            raise
        except (CorruptStream, LimitExceeded) as error:
            return self._pass_malformed(frame, f"{TYPE_NAMES[frame.packet_type]}: {error}")
        self._source.skip(frame.size_bytes)
        layer, inner = (
            (packet.layer, packet.packet) if isinstance(packet, LayerPacket) else (0, packet)
        )
        timeline = self._timelines[layer]
        if known and (self._end_seen or not _comes_next(inner, timeline)):
            self.repetitions += 1
            self.sizes.add_damage(frame.size_bytes)
            return None
        if frame.packet_type in _REPEATABLE:
            self._lately.append(digest)
        self.sizes.add_packet(packet, frame.size_bytes)
        if isinstance(inner, KeyPacket) or (isinstance(inner, RunPacket) and inner.begins):
            self._last_keys[layer] = digest
        if isinstance(inner, BasePacket):
            timeline.pass_packet(inner)
        self._end_seen |= isinstance(inner, EndPacket)
        return packet

    def _parse(self, frame: FramedPacket) -> Packet:
        payload = Cursor(frame.payload)
        kind = frame.packet_type
        if kind == TYPE_LAYER:
            return read_layer(payload, self._timelines, self.header, self._limits)
        if kind == TYPE_AUDIO:
            if self.header.audio is None:
                raise CorruptStream("the stream header has no audio parameters")
            return read_audio(payload, self._limits)
        if kind == TYPE_END:
            return read_end(payload, self._timelines[0])
        if kind == TYPE_EXTENSION:
            return read_extension(payload)
        return read_video(kind, payload, self._timelines[0], self._limits)

    def _pass_malformed(self, frame: FramedPacket, reason: str) -> Damage:
        """Skips a packet that breaks a rule; its checksum is correct, so its size is trusted."""
        if frame.packet_type == TYPE_KEY:
            self._waste(frame.size_bytes)
            return self._resynchronise(reason)
        start = self._source.offset
        self._source.skip(frame.size_bytes)
        return self._damage(start, reason)

    def _pass_fault(self, fault: Fault) -> Damage:
        """Skips a faulty packet; its size is trusted only if a good packet follows it."""
        if fault.packet_type in _PASSABLE:
            follower = read_frame(self._source, fault.size_bytes, self._limits)
            if isinstance(follower, FramedPacket):
                start = self._source.offset
                self._source.skip(fault.size_bytes)
                return self._damage(start, fault.reason)
            self._waste(follower.size_bytes)
        self._waste(fault.size_bytes)
        return self._resynchronise(fault.reason)

    def _resynchronise(self, reason: str) -> Damage:
        """Skips to the next good packet with a mark, searching from the second byte of this one."""
        start = self._source.offset
        self._source.skip(1)
        while self._wasted_bytes <= self._limits.max_wasted_bytes:
            if not self._source.skip_to(SYNC_MARK, _TAIL_BYTES):
                return self._damage(start, reason, truncated=not self._skip_to_end_packet())
            frame = read_frame(self._source, 0, self._limits)
            if isinstance(frame, FramedPacket) and self._is_sound(frame):
                return self._damage(start, reason)
            self._waste(frame.size_bytes)
            self._source.skip(1)
        self._source.drain()
        return self._damage(start, f"{reason}; too much damage to continue", truncated=True)

    def _skip_to_end_packet(self) -> bool:
        """Goes to the end packet among the last bytes of the file, or to the end of the file."""
        left = len(self._source.peek(0, _TAIL_BYTES))
        for start in range(left):
            frame = read_frame(self._source, start, self._limits)
            is_last = isinstance(frame, FramedPacket) and start + frame.size_bytes == left
            if isinstance(frame, FramedPacket) and is_last and frame.packet_type == TYPE_END:
                self._source.skip(start)
                return True
        self._source.skip(left)
        return False

    def _is_sound(self, frame: FramedPacket) -> bool:
        try:
            self._parse(frame)
        except UnsupportedVersion:
            return True  # It is raised again when this packet is read.
        except (CorruptStream, LimitExceeded):
            return False
        return True

    def _waste(self, size_bytes: int) -> None:
        """Counts work that was in vain.

        Without a bound, a small hostile file could make the reader checksum the same bytes again
        and again as parts of different false packets.
        """
        self._wasted_bytes += max(size_bytes, _MIN_FALSE_PACKET_COST_BYTES)

    def _damage(self, start: int, reason: str, *, truncated: bool = False) -> Damage:
        """Reports the bytes consumed since `start`; a truncated file is reported only once."""
        self._exhausted = truncated
        length_bytes = self._source.offset - start
        self.sizes.add_damage(length_bytes)
        return Damage(start, length_bytes, reason, truncated)

    def _trailing_data(self) -> Damage:
        start = self._source.offset
        self._source.drain()
        return self._damage(start, "trailing data after the end packet")


def _comes_next(packet: Packet | WindowEnd, timeline: Timeline) -> bool:
    """Whether its frames are the next ones: where nothing moves, packets are all alike."""
    match packet:
        case PredictedKeyPacket() | TokenPacket() | RunPacket(begins=False):
            return packet.first_frame == timeline.next_frame
    return False
