"""From packets to a file, in order and without seeking."""

from __future__ import annotations

from typing import Protocol

from imfcodec.bitstream.framing import write_frame
from imfcodec.bitstream.header import write_header
from imfcodec.bitstream.key_chain import chain_length
from imfcodec.bitstream.limits import FORMAT_LIMITS, check_count
from imfcodec.bitstream.packets import (
    TYPE_AUDIO,
    TYPE_END,
    TYPE_EXTENSION,
    TYPE_KEY,
    TYPE_PREDICTED_KEY,
    TYPE_TOKENS,
    AudioPacket,
    EndPacket,
    ExtensionPacket,
    KeyPacket,
    Packet,
    PredictedKeyPacket,
    TokenPacket,
    low_bits,
)
from imfcodec.bitstream.parameters import StreamHeader
from imfcodec.bitstream.payloads import (
    write_audio,
    write_end,
    write_extension,
    write_key,
    write_predicted_key,
    write_tokens,
)
from imfcodec.bitstream.sizes import SizeLedger
from imfcodec.bitstream.timeline import Timeline
from imfcodec.errors import CorruptStream, OutputFailed


class Writable(Protocol):
    """What a writer needs of a file: `write`, which may take fewer bytes than it was given."""

    def write(self, data: bytes, /) -> int | None:
        """Returns the number of bytes taken; None means all."""


class StreamWriter:
    """Writes signature and header at once, then the packets, then the end.

    The first packet is a key packet. Frame numbers have no gaps, and timestamps rise. A predicted
    key packet names its origin: its base, or the last key packet, predicted or not. A token packet
    that is not chained names the last key packet, predicted or not. A refused packet leaves the
    stream unchanged.

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
        self._has_audio = header.audio is not None
        self._timeline = Timeline(header.nominal_duration)
        self._last_pts: int | None = None
        self._key_chain: list[int] = []
        self._finished = False
        self.sizes = SizeLedger()
        coded = write_header(header)
        self._put(coded)
        self.sizes.add_header(header, len(coded))

    def write(self, packet: Packet) -> None:
        """Writes a key, predicted key, token, audio or extension packet.

        Raises:
            CorruptStream: The packet breaks one of the rules above.
            LimitExceeded: A size is above the limits of the format.
            OutputFailed: The file cannot be written.
        """
        if self._finished:
            raise CorruptStream("a packet after the end of the stream")
        if self._last_pts is None and not isinstance(packet, KeyPacket):
            raise CorruptStream("the first packet of a stream must be a key packet")
        match packet:
            case KeyPacket():
                self._write_key(packet)
            case PredictedKeyPacket():
                self._check_key_order(packet)
                chain = self._chain_to(packet.origin)
                coded = write_predicted_key(packet, self._timeline)
                self._frame(TYPE_PREDICTED_KEY, packet, coded)
                self._key_chain = [*chain, low_bits(packet.frame_number)]
                self._timeline.pass_predicted_key(packet.frame_number, packet.pts, len(packet.lead))
                self._last_pts = packet.pts
            case TokenPacket():
                self._check_order(packet.first_frame, packet.pts[0])
                if packet.key is not None:
                    self._check_reference(packet.key, self._timeline.key_frame)
                self._frame(TYPE_TOKENS, packet, write_tokens(packet, self._timeline))
                self._timeline.pass_frames(packet.first_frame, len(packet.pts))
                self._last_pts = packet.pts[-1]
            case AudioPacket():
                if not self._has_audio:
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
        if self._last_pts is None or end_pts <= self._last_pts:
            raise CorruptStream(f"end at {end_pts}, but the last frame is at {self._last_pts}")
        end = EndPacket(self._timeline.next_frame, end_pts)
        self._frame(TYPE_END, end, write_end(end, self._timeline))
        self._finished = True

    def _write_key(self, packet: KeyPacket) -> None:
        self._check_key_order(packet)
        # The first key packet needs no mark: the header says where it begins.
        with_mark = self._last_pts is not None
        self._frame(TYPE_KEY, packet, write_key(packet, self._timeline), with_mark=with_mark)
        self._timeline.anchor(packet.frame_number, packet.pts)
        self._key_chain = [low_bits(packet.frame_number)]
        self._last_pts = packet.pts

    def _check_key_order(self, packet: KeyPacket | PredictedKeyPacket) -> None:
        first_pts = packet.lead[0] if packet.lead else packet.pts
        self._check_order(packet.frame_number - len(packet.lead), first_pts)

    def _check_order(self, frame_number: int, pts: int) -> None:
        expected = self._timeline.next_frame
        if frame_number != expected:
            raise CorruptStream(f"frame {frame_number} where frame {expected} comes next")
        if self._last_pts is not None and pts <= self._last_pts:
            raise CorruptStream(f"timestamp {pts} of frame {frame_number} does not rise")

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

    def _frame(
        self, packet_type: int, packet: Packet, payload: bytes, *, with_mark: bool = False
    ) -> None:
        coded = write_frame(packet_type, payload, with_mark=with_mark)
        self._put(coded)
        self.sizes.add_packet(packet, len(coded))

    def _put(self, data: bytes) -> None:
        try:
            while data:
                taken = self._file.write(data)
                data = data[taken:] if taken is not None else b""
        except (OSError, ValueError) as error:  # ValueError: the file is closed
            raise OutputFailed(f"writing failed: {error}") from error
