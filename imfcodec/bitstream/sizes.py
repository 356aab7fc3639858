"""Bytes of a stream by kind."""

from __future__ import annotations

from dataclasses import dataclass, field

from imfcodec.bitstream.packets import (
    AudioPacket,
    KeyPacket,
    LayerPacket,
    Packet,
    PredictedKeyPacket,
    RunPacket,
    TokenPacket,
    WindowEnd,
)
from imfcodec.bitstream.parameters import StreamHeader


@dataclass(slots=True)
class SizeLedger:
    """Bytes of a stream by kind; every byte has exactly one kind. Base and layers count together.

    Attributes:
        key_bytes: Pictures of independent key frames, and the configuration of their codec.
        predicted_key_bytes: Pictures of predicted key frames.
        run_bytes: Pictures of AV1 runs.
        token_bytes: Entropy-coded tokens, including those of key frames.
        audio_bytes: Whole audio packets with their framing, so that all other bytes count as
            video.
        container_bytes: Everything else: signature, headers, heads, checksums, end, extensions,
            and in a reader the damaged bytes.
        layer_bytes: Whole packets by number of the window layer. These bytes have a kind as well.
    """

    key_bytes: int = 0
    predicted_key_bytes: int = 0
    run_bytes: int = 0
    token_bytes: int = 0
    audio_bytes: int = 0
    container_bytes: int = 0
    layer_bytes: dict[int, int] = field(default_factory=dict)

    @property
    def total_bytes(self) -> int:
        """Size of the whole file in bytes."""
        return (
            self.key_bytes
            + self.predicted_key_bytes
            + self.run_bytes
            + self.token_bytes
            + self.audio_bytes
            + self.container_bytes
        )

    def counted_bytes(self, *, with_sound: bool) -> int:
        """Size of the file, with its sound or without it, in bytes."""
        return self.total_bytes - (0 if with_sound else self.audio_bytes)

    def add_header(self, header: StreamHeader, size_bytes: int) -> None:
        """Counts signature and header, which take `size_bytes` together."""
        self._add(SizeLedger(key_bytes=len(header.key_config)), size_bytes)

    def add_packet(self, packet: Packet, size_bytes: int) -> None:
        """Counts a packet that takes `size_bytes` with its framing."""
        if isinstance(packet, LayerPacket):
            layer_bytes = self.layer_bytes.get(packet.layer, 0) + size_bytes
            self.layer_bytes[packet.layer] = layer_bytes
            self._add(_parts(packet.packet, size_bytes), size_bytes)
        else:
            self._add(_parts(packet, size_bytes), size_bytes)

    def add_damage(self, size_bytes: int) -> None:
        """Counts bytes that yield no packet."""
        self._add(SizeLedger(), size_bytes)

    def _add(self, parts: SizeLedger, size_bytes: int) -> None:
        """Counts `size_bytes`; those that belong to no part are container."""
        self.key_bytes += parts.key_bytes
        self.predicted_key_bytes += parts.predicted_key_bytes
        self.run_bytes += parts.run_bytes
        self.token_bytes += parts.token_bytes
        self.audio_bytes += parts.audio_bytes
        self.container_bytes += size_bytes - parts.total_bytes


def _parts(packet: Packet | WindowEnd, size_bytes: int) -> SizeLedger:
    """Bytes of a packet that are not container."""
    match packet:
        case KeyPacket():
            key_bytes = len(packet.picture) + len(packet.config or b"")
            return SizeLedger(key_bytes=key_bytes, token_bytes=len(packet.token))
        case PredictedKeyPacket():
            return SizeLedger(
                predicted_key_bytes=len(packet.picture), token_bytes=len(packet.token)
            )
        case RunPacket():
            return SizeLedger(run_bytes=sum(map(len, packet.units)))
        case TokenPacket():
            return SizeLedger(token_bytes=len(packet.payload))
        case AudioPacket():
            return SizeLedger(audio_bytes=size_bytes)
    return SizeLedger()
