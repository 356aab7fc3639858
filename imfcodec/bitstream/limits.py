"""Upper bounds on everything that a stream may declare."""

from __future__ import annotations

from dataclasses import dataclass

from imfcodec.errors import CorruptStream, LimitExceeded


@dataclass(frozen=True, slots=True)
class Limits:
    """Largest sizes that a reader accepts, checked before it allocates memory.

    The defaults are the limits of the format (FORMAT.md, section 7), which a writer never exceeds.
    A reader may have lower limits, or a higher `max_pixels`.

    Attributes:
        max_pixels: Width times height, in pixels, of the coded and of the display size.
        max_header_bytes: Body of the stream header, in bytes.
        max_windows: Window layers of a stream.
        max_key_config_bytes: Configuration of the key codec, in bytes.
        max_audio_extradata_bytes: Extradata of the audio codec, in bytes.
        max_key_bytes: Payload of a key packet, in bytes.
        max_predicted_key_bytes: Payload of a predicted key packet, in bytes.
        max_key_chain: Key pictures in a chain, including the base. Each is coded from all before
            it, so a receiver keeps them.
        max_token_bytes: Payload of a token packet, in bytes.
        max_audio_bytes: Payload of an audio packet, in bytes.
        max_layer_bytes: Payload of a layer or run packet, in bytes.
        max_end_bytes: Payload of an end packet, in bytes.
        max_extension_bytes: Payload of an extension packet, in bytes.
        max_frames_per_packet: Frames in one token or run packet, or leading frames in one key
            packet.
        free_frames_per_packet: Number of frames that a packet may always hold.
        max_frames_per_byte: Number of frames per byte of payload in a packet of more frames.
        max_audio_per_packet: Codec packets in one audio packet.
        max_wasted_bytes: Bytes checksummed in vain over the whole stream while searching for the
            next good packet. Above this limit, the reader gives up the rest.
    """

    max_pixels: int = 8192 * 8192
    max_header_bytes: int = 64 << 10
    max_windows: int = 4
    max_key_config_bytes: int = 1 << 10
    max_audio_extradata_bytes: int = 4 << 10
    max_key_bytes: int = 1 << 20
    max_predicted_key_bytes: int = 1 << 20
    max_key_chain: int = 16
    max_token_bytes: int = 256 << 10
    max_audio_bytes: int = 256 << 10
    max_layer_bytes: int = 1 << 20
    max_end_bytes: int = 64
    max_extension_bytes: int = 1 << 20
    max_frames_per_packet: int = 4096
    free_frames_per_packet: int = 128
    max_frames_per_byte: int = 16
    max_audio_per_packet: int = 1024
    max_wasted_bytes: int = 64 << 20


FORMAT_LIMITS = Limits()
"""The limits of the format, which every writer observes."""


def check_count(what: str, count: int, limit: int) -> None:
    """Checks the number of items that follow.

    Raises:
        CorruptStream: There is none.
        LimitExceeded: There are more than `limit`.
    """
    if count == 0:
        raise CorruptStream(f"no {what}")
    if count > limit:
        raise LimitExceeded(f"{count} {what}, the limit is {limit}")


def check_frames(count: int, payload_bytes: int, limits: Limits) -> None:
    """Checks that the frames of a packet are in proportion to its bytes.

    A frame costs a receiver far more work than its bytes do. Without this, a few bytes could ask
    for thousands of frames.

    Raises:
        LimitExceeded: There are too many frames.
    """
    allowed = max(limits.free_frames_per_packet, limits.max_frames_per_byte * payload_bytes)
    if count > allowed:
        raise LimitExceeded(f"{count} frames in {payload_bytes} bytes, the limit is {allowed}")


def padded(tokens: bytes, frames: int) -> bytes:
    """Lengthens tokens to what their number of frames needs.

    The added zeros change nothing: the range decoder reads zeros after the end anyway.
    """
    if frames <= FORMAT_LIMITS.free_frames_per_packet:
        return tokens
    return tokens.ljust(-(-frames // FORMAT_LIMITS.max_frames_per_byte), b"\0")


def check_size(what: str, size_bytes: int, limit_bytes: int) -> None:
    """Checks the size of a field.

    Raises:
        LimitExceeded: It is above `limit_bytes`.
    """
    if size_bytes > limit_bytes:
        raise LimitExceeded(f"{what} of {size_bytes} bytes, the limit is {limit_bytes}")
