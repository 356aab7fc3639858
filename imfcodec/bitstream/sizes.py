"""Bytes of a stream by kind."""

from __future__ import annotations

from dataclasses import dataclass

from imfcodec.bitstream.packets import (
    AudioPacket,
    KeyPacket,
    Packet,
    PredictedKeyPacket,
    TokenPacket,
)
from imfcodec.bitstream.parameters import StreamHeader


@dataclass(slots=True)
class SizeLedger:
    """Bytes of a stream by kind; every byte has exactly one kind.

    Attributes:
        key_bytes: Pictures of independent key frames, and the configuration of their codec.
        predicted_key_bytes: Pictures of predicted key frames.
        token_bytes: Entropy-coded tokens, including those of key frames.
        audio_bytes: Whole audio packets with their framing, so that all other bytes count as
            video.
        container_bytes: Everything else: signature, headers, heads, checksums, end, extensions,
            and in a reader the damaged bytes.
    """

    key_bytes: int = 0
    predicted_key_bytes: int = 0
    token_bytes: int = 0
    audio_bytes: int = 0
    container_bytes: int = 0

    @property
    def total_bytes(self) -> int:
        """Size of the whole file in bytes."""
        return (
            self.key_bytes
            + self.predicted_key_bytes
            + self.token_bytes
            + self.audio_bytes
            + self.container_bytes
        )

    def add_header(self, header: StreamHeader, size_bytes: int) -> None:
        """Counts signature and header, which take `size_bytes` together."""
        self._add(SizeLedger(key_bytes=len(header.key_config)), size_bytes)

    def add_packet(self, packet: Packet, size_bytes: int) -> None:
        """Counts a packet that takes `size_bytes` with its framing."""
        match packet:
            case KeyPacket():
                key_bytes = len(packet.picture) + len(packet.config or b"")
                parts = SizeLedger(key_bytes=key_bytes, token_bytes=len(packet.token))
            case PredictedKeyPacket():
                parts = SizeLedger(
                    predicted_key_bytes=len(packet.picture), token_bytes=len(packet.token)
                )
            case TokenPacket():
                parts = SizeLedger(token_bytes=len(packet.payload))
            case AudioPacket():
                parts = SizeLedger(audio_bytes=size_bytes)
            case _:
                parts = SizeLedger()
        self._add(parts, size_bytes)

    def add_damage(self, size_bytes: int) -> None:
        """Counts bytes that yield no packet."""
        self._add(SizeLedger(), size_bytes)

    def _add(self, parts: SizeLedger, size_bytes: int) -> None:
        """Counts `size_bytes`; those that belong to no part are container."""
        self.key_bytes += parts.key_bytes
        self.predicted_key_bytes += parts.predicted_key_bytes
        self.token_bytes += parts.token_bytes
        self.audio_bytes += parts.audio_bytes
        self.container_bytes += size_bytes - parts.total_bytes
