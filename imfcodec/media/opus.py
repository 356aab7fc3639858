"""Opus packets outside a container: header, duration, and a template for a muxer."""

from __future__ import annotations

import io
from dataclasses import dataclass
from fractions import Fraction
from typing import TYPE_CHECKING, Final

import av

from imfcodec.errors import UnsupportedVideo
from imfcodec.media.timing import AUDIO_RATE

if TYPE_CHECKING:
    from av.audio.stream import AudioStream
    from av.container import InputContainer

FRAME_SAMPLES: Final = 2880
"""Samples per encoded packet: 60 ms. At 8 kbit/s, packets of 20 ms take 7 % more bytes."""

_MAGIC: Final = b"OpusHead"
_HEAD_BYTES: Final = 19
_SILENCE: Final = b"\xf8\xff\xfe"
"""A valid packet of silence."""


@dataclass(frozen=True)
class OpusParameters:
    """What a decoder must know before the first packet.

    Attributes:
        channels: number of channels.
        pre_skip: the encoder's delay: samples at 48 kHz to discard at the start.
        extradata: the OpusHead structure of RFC 7845, section 5.1.
        sample_rate: always 48000, the clock of all timestamps.
    """

    channels: int
    pre_skip: int
    extradata: bytes
    sample_rate: int = AUDIO_RATE

    @classmethod
    def from_extradata(cls, extradata: bytes | None) -> OpusParameters:
        """Read an OpusHead.

        Args:
            extradata: the structure as containers and encoders hold it.

        Returns:
            Its values, with the bytes unchanged.

        Raises:
            UnsupportedVideo: it is missing or damaged.
        """
        if not extradata or len(extradata) < _HEAD_BYTES or not extradata.startswith(_MAGIC):
            raise UnsupportedVideo("the Opus sound track has no OpusHead")
        channels = extradata[9]
        if channels == 0:
            raise UnsupportedVideo("the Opus sound track has no channels")
        return cls(channels, int.from_bytes(extradata[10:12], "little"), bytes(extradata))


def opus_packet_samples(data: bytes) -> int:
    """Duration of an Opus packet, from its first two bytes (RFC 6716, section 3.1).

    Args:
        data: the packet.

    Returns:
        Samples at 48 kHz; 0 for a packet that is empty or cut short.
    """
    if not data:
        return 0
    config, code = data[0] >> 3, data[0] & 3
    if config < 12:  # SILK: 10, 20, 40, 60 ms
        frame = (480, 960, 1920, 2880)[config & 3]
    elif config < 16:  # hybrid: 10, 20 ms
        frame = (480, 960)[config & 1]
    else:  # CELT: 2.5, 5, 10, 20 ms
        frame = 120 << (config & 3)
    if code < 3:
        return frame * (1 if code == 0 else 2)
    return frame * (data[1] & 0x3F) if len(data) > 1 else 0


class OpusTemplate:
    """An input stream with the given parameters, for `add_stream_from_template`.

    PyAV sets the header of an output stream only from an encoder, which writes its own header, or
    from an input stream. So one packet with the wanted header is muxed to Ogg in memory and read
    back: libav's Ogg reader takes every field from it.
    """

    def __init__(self, parameters: OpusParameters) -> None:
        """Build the stream.

        Args:
            parameters: parameters of the output stream.

        Raises:
            av.error.FFmpegError: the header is refused.
        """
        ogg = io.BytesIO()
        with av.open(ogg, "w", format="ogg") as container:
            layout = "mono" if parameters.channels == 1 else "stereo"
            stream = container.add_stream("libopus", rate=AUDIO_RATE, layout=layout)
            stream.bit_rate = 12000
            context = stream.codec_context
            context.open()
            context.extradata = parameters.extradata  # in place of the encoder's own
            packet = av.Packet(_SILENCE)
            packet.stream = stream
            packet.time_base = Fraction(1, AUDIO_RATE)
            packet.pts = packet.dts = 0
            packet.duration = opus_packet_samples(_SILENCE)
            container.mux(packet)
        ogg.seek(0)
        self._container: InputContainer = av.open(ogg, "r")
        self.stream: AudioStream = self._container.streams.audio[0]

    def close(self) -> None:
        """Free the memory; the streams made from the template stay."""
        self._container.close()
