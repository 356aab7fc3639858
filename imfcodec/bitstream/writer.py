"""From packets to a file, in order and without seeking."""

from __future__ import annotations

from fractions import Fraction
from typing import Protocol

from imfcodec.bitstream.framing import write_frame
from imfcodec.bitstream.header import write_header
from imfcodec.bitstream.key_chain import chain_length
from imfcodec.bitstream.layers import write_layer
from imfcodec.bitstream.limits import FORMAT_LIMITS, check_count
from imfcodec.bitstream.packets import (
    TYPE_AUDIO,
    TYPE_END,
    TYPE_EXTENSION,
    TYPE_LAYER,
    AudioPacket,
    BasePacket,
    EndPacket,
    ExtensionPacket,
    KeyPacket,
    LayerPacket,
    Packet,
    PredictedKeyPacket,
    RunPacket,
    TokenPacket,
    WindowEnd,
    frame_pts,
    low_bits,
)
from imfcodec.bitstream.parameters import StreamHeader
from imfcodec.bitstream.payloads import write_audio, write_end, write_extension, write_video
from imfcodec.bitstream.runs import write_run
from imfcodec.bitstream.sizes import SizeLedger
from imfcodec.bitstream.timeline import Timeline
from imfcodec.errors import CorruptStream, OutputFailed


class Writable(Protocol):
    """What a writer needs of a file: `write`, which may take fewer bytes than it was given."""

    def write(self, data: bytes, /) -> int | None:
        """Returns the number of bytes taken; None means all."""


class _Lane:
    """Order of the frames of the base or of one layer, and what they refer to.

    Attributes:
        timeline: Its frame numbers and timestamps.
        last_pts: Timestamp of its last frame; None before the first one.
    """

    def __init__(self, nominal_duration: Fraction, *, may_skip: bool = False) -> None:
        self.timeline = Timeline(nominal_duration)
        self.last_pts: int | None = None
        self._may_skip = may_skip  # frames before a key packet
        self._key_chain: list[int] = []
        self._in_run = False

    def check(self, packet: BasePacket | WindowEnd) -> None:
        """Checks that a packet may come next.

        Raises:
            CorruptStream: It may not.
            LimitExceeded: Its chain would be too long.
        """
        is_key = isinstance(packet, KeyPacket)
        first, expected = packet.first_frame, self.timeline.next_frame
        if first != expected and not (self._may_skip and is_key and first > expected):
            raise CorruptStream(f"frame {first} where frame {expected} comes next")
        match packet:
            case RunPacket(begins=False) if not self._in_run:
                raise CorruptStream("no run packet before")
            case PredictedKeyPacket() | TokenPacket() | WindowEnd() if not self._key_chain:
                raise CorruptStream("no key packet before")
        if isinstance(packet, WindowEnd):
            return
        pts = frame_pts(packet)[0]
        if self.last_pts is not None and pts <= self.last_pts:
            raise CorruptStream(f"timestamp {pts} of frame {first} does not rise")
        if isinstance(packet, PredictedKeyPacket):
            self._chain_to(packet.origin)
        if isinstance(packet, TokenPacket) and packet.key is not None:
            self._check_reference(packet.key, self.timeline.key_frame)

    def advance(self, packet: BasePacket | WindowEnd) -> None:
        """Passes a packet that was checked."""
        self._in_run = isinstance(packet, RunPacket)
        if isinstance(packet, WindowEnd | RunPacket):
            self._key_chain = []
        if isinstance(packet, WindowEnd):
            return
        if isinstance(packet, KeyPacket):
            self._key_chain = [low_bits(packet.frame_number)]
        if isinstance(packet, PredictedKeyPacket):
            self._key_chain = [*self._chain_to(packet.origin), low_bits(packet.frame_number)]
        self.timeline.pass_packet(packet)
        self.last_pts = frame_pts(packet)[-1]

    def _chain_to(self, origin: int) -> list[int]:
        """Low bits of the frame numbers of the chain up to the origin."""
        chain = self._key_chain
        length = chain_length(chain, origin)
        if not length:
            raise CorruptStream(f"refers to key frame ...{origin}, the chain is {chain}")
        check_count("key pictures in a chain", length + 1, FORMAT_LIMITS.max_key_chain)
        return chain[:length]

    def _check_reference(self, named: int, frame_number: int) -> None:
        if named != low_bits(frame_number):
            raise CorruptStream(f"refers to key frame ...{named}, the last one is {frame_number}")


class StreamWriter:
    """Writes signature and header at once, then the packets, then the end.

    The first packet is a key packet, of the base or of a layer, or begins a run. Frame numbers have
    no gaps, and timestamps rise. A predicted key packet names its origin: its base, or the last key
    packet, predicted or not. A token packet that is not chained names the last key packet,
    predicted or not. After a run packet, the next packet of the base is a run packet or a key
    packet. A refused packet leaves the stream unchanged.

    The frames of each layer keep the same rules, except that frames may be skipped before a key
    packet. A layer packet precedes the packet of the base that has the same frames.

    Attributes:
        sizes: Bytes written so far by kind.

    Args:
        file: Open for binary writing; the writer neither seeks in it nor closes it.
        header: Parameters of the stream.

    Raises:
        LimitExceeded: A size is above the limits of the format.
        OutputFailed: The file cannot be written.
    """

    def __init__(self, file: Writable, header: StreamHeader) -> None:
        self._file = file
        self._header = header
        self._base = _Lane(header.nominal_duration)
        self._layers = [_Lane(Fraction(1), may_skip=True) for _ in range(header.windows)]
        self._is_first = True
        self._finished = False
        self.sizes = SizeLedger()
        coded = write_header(header)
        self._put(coded)
        self.sizes.add_header(header, len(coded))

    def write(self, packet: Packet) -> None:
        """Writes any packet but the end packet.

        Raises:
            CorruptStream: The packet breaks one of the rules above.
            LimitExceeded: A size is above the limits of the format.
            OutputFailed: The file cannot be written.
        """
        if self._finished:
            raise CorruptStream("a packet after the end of the stream")
        if self._base.last_pts is None and not isinstance(
            packet, KeyPacket | LayerPacket | RunPacket
        ):
            raise CorruptStream("the first packet of a stream must be a key packet or a run")
        match packet:
            case KeyPacket() | PredictedKeyPacket() | TokenPacket() | RunPacket():
                self._write_base(packet)
            case LayerPacket():
                self._write_layer(packet)
            case AudioPacket():
                if self._header.audio is None:
                    raise CorruptStream("an audio packet in a stream without audio parameters")
                self._frame(TYPE_AUDIO, packet, write_audio(packet))
            case ExtensionPacket():
                self._frame(TYPE_EXTENSION, packet, write_extension(packet))
            case EndPacket():
                raise CorruptStream("the end is written by finish")

    def finish(self, end_pts: int) -> None:
        """Writes the end packet.

        Args:
            end_pts: Timestamp of the last frame plus its duration, in ticks of the video time
                base.

        Raises:
            CorruptStream: There is no frame, the last frame would have no duration, or the stream
                has ended already.
            OutputFailed: The file cannot be written.
        """
        if self._finished:
            raise CorruptStream("the stream has ended already")
        last_pts, timeline = self._base.last_pts, self._base.timeline
        if last_pts is None or end_pts <= last_pts:
            raise CorruptStream(f"end at {end_pts}, but the last frame is at {last_pts}")
        end = EndPacket(timeline.next_frame, end_pts)
        self._frame(TYPE_END, end, write_end(end, timeline))
        self._finished = True

    def _write_base(self, packet: BasePacket) -> None:
        self._base.check(packet)
        if isinstance(packet, RunPacket):
            packet_type, payload = TYPE_LAYER, write_run(packet, self._base.timeline)
            with_mark = packet.begins
        else:
            packet_type, payload = write_video(packet, self._base.timeline)
            # A first key packet needs no mark: the header says where it begins.
            with_mark = isinstance(packet, KeyPacket) and not self._is_first
        self._frame(packet_type, packet, payload, with_mark=with_mark)
        self._base.advance(packet)

    def _write_layer(self, packet: LayerPacket) -> None:
        if packet.layer > len(self._layers):
            raise CorruptStream(f"layer {packet.layer} of {len(self._layers)}")
        lane, inner = self._layers[packet.layer - 1], packet.packet
        if inner.first_frame < self._base.timeline.next_frame:
            raise CorruptStream(f"frame {inner.first_frame} of a layer after that of the base")
        lane.check(inner)
        payload = write_layer(packet, lane.timeline, self._header)
        self._frame(TYPE_LAYER, packet, payload, with_mark=isinstance(inner, KeyPacket))
        lane.advance(inner)

    def _frame(
        self, packet_type: int, packet: Packet, payload: bytes, *, with_mark: bool = False
    ) -> None:
        coded = write_frame(packet_type, payload, with_mark=with_mark)
        self._put(coded)
        self._is_first = False
        self.sizes.add_packet(packet, len(coded))

    def _put(self, data: bytes) -> None:
        try:
            while data:
                taken = self._file.write(data)
                data = data[taken:] if taken is not None else b""
        except (OSError, ValueError) as error:  # ValueError: the file is closed
            raise OutputFailed(f"writing failed: {error}") from error
