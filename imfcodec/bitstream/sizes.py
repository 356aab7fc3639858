"""Where the bytes of a stream go."""

from __future__ import annotations

from dataclasses import dataclass

from imfcodec.bitstream.packets import AudioPacket, KeyPacket, Packet, TokenPacket
from imfcodec.bitstream.parameters import StreamHeader


@dataclass(slots=True)
class SizeLedger:
    """Bytes of a stream by kind; every byte is of exactly one kind.

    Attributes:
        key_bytes: Key pictures and the configuration of their codec.
        token_bytes: Entropy-coded tokens, those of key frames included.
        audio_bytes: Whole audio packets with their framing, so that the rate of the video is
            that of all the rest.
        container_bytes: Everything else: signature, headers, heads, checksums, index, end,
            extensions, and in a reader what was damaged.
    """

    key_bytes: int = 0
    token_bytes: int = 0
    audio_bytes: int = 0
    container_bytes: int = 0

    @property
    def total_bytes(self) -> int:
        """Bytes of the stream, which is the size of the file."""
        return self.key_bytes + self.token_bytes + self.audio_bytes + self.container_bytes

    def add_header(self, header: StreamHeader, size_bytes: int) -> None:
        """Counts signature and header, `size_bytes` together."""
        self._add(size_bytes, key_bytes=len(header.key_config))

    def add_packet(self, packet: Packet, size_bytes: int) -> None:
        """Counts a packet that takes `size_bytes` with its framing."""
        match packet:
            case KeyPacket():
                key_bytes = len(packet.picture) + len(packet.config or b"")
                self._add(size_bytes, key_bytes=key_bytes, token_bytes=len(packet.token))
            case TokenPacket():
                self._add(size_bytes, token_bytes=len(packet.payload))
            case AudioPacket():
                self._add(size_bytes, audio_bytes=size_bytes)
            case _:
                self._add(size_bytes)

    def add_damage(self, size_bytes: int) -> None:
        """Counts bytes that gave no packet."""
        self._add(size_bytes)

    def _add(
        self, size_bytes: int, *, key_bytes: int = 0, token_bytes: int = 0, audio_bytes: int = 0
    ) -> None:
        self.key_bytes += key_bytes
        self.token_bytes += token_bytes
        self.audio_bytes += audio_bytes
        self.container_bytes += size_bytes - key_bytes - token_bytes - audio_bytes
