"""The parameters in a stream header (FORMAT.md, section 3)."""

from __future__ import annotations

from dataclasses import dataclass
from fractions import Fraction

from imfcodec.bitstream.rules import require

KEY_CODEC_AV1 = 1
AUDIO_CODEC_OPUS = 1

BLOCK = 32
"""The coded width and height are multiples of this many pixels."""

TOKEN_SIZES = (16, 32, 64, 128)
"""Values per token; the stream holds the index into this tuple."""


@dataclass(frozen=True, slots=True)
class Geometry:
    """The three sizes of a picture, in pixels.

    The picture is scaled to the scaled size, padded at the right and bottom to the coded size,
    coded, cropped, and scaled to the display size.

    Attributes:
        coded_width: Width that the network sees, a positive multiple of 32.
        coded_height: Height that the network sees, a positive multiple of 32.
        scaled_width: Width of the picture inside the coded area, 1 to `coded_width`.
        scaled_height: Height of the picture inside the coded area, 1 to `coded_height`.
        display_width: Width that the decoder writes, 1 or more.
        display_height: Height that the decoder writes, 1 or more.

    Raises:
        CorruptStream: A size is outside its range.
    """

    coded_width: int
    coded_height: int
    scaled_width: int
    scaled_height: int
    display_width: int
    display_height: int

    def __post_init__(self) -> None:
        for coded, scaled, display in (
            (self.coded_width, self.scaled_width, self.display_width),
            (self.coded_height, self.scaled_height, self.display_height),
        ):
            require(coded > 0 and coded % BLOCK == 0, f"coded size {coded}, not a multiple of 32")
            require(0 < scaled <= coded, f"scaled size {scaled} in a coded size of {coded}")
            require(0 < display < 1 << 32, f"display size {display}")


@dataclass(frozen=True, slots=True)
class ColourTags:
    """Colour description of the source by the codes of ITU-T H.273; informational.

    Attributes:
        matrix: MatrixCoefficients, 0 to 255.
        transfer: TransferCharacteristics, 0 to 255.
        primaries: ColourPrimaries, 0 to 255.
        full_range: True for full range, false for limited range.

    Raises:
        CorruptStream: A code is outside its range.
    """

    matrix: int
    transfer: int
    primaries: int
    full_range: bool

    def __post_init__(self) -> None:
        codes = (self.matrix, self.transfer, self.primaries)
        require(all(0 <= code < 256 for code in codes), f"colour codes {codes}")


@dataclass(frozen=True, slots=True)
class AudioParameters:
    """What an audio decoder must know before the first packet.

    Attributes:
        codec: Id of the audio codec, 1 to 255: `AUDIO_CODEC_OPUS`, others are unassigned.
        sample_rate: Sampling frequency of the source, in hertz, 1 to 2**32 - 1.
        channels: Number of channels, 1 to 255.
        pre_skip: Samples to drop at the beginning, in the audio time base, 0 to 2**32 - 1.
        extradata: Bytes for the audio decoder, 4 KiB at most.

    Raises:
        CorruptStream: A value is outside its range.
    """

    codec: int
    sample_rate: int
    channels: int
    pre_skip: int = 0
    extradata: bytes = b""

    def __post_init__(self) -> None:
        require(0 < self.codec < 256, f"audio codec {self.codec}")
        require(0 < self.sample_rate < 1 << 32, f"sample rate {self.sample_rate}")
        require(0 < self.channels < 256, f"{self.channels} audio channels")
        require(0 <= self.pre_skip < 1 << 32, f"pre-skip {self.pre_skip}")

    @property
    def time_base(self) -> Fraction:
        """Seconds per tick of audio pts and of `pre_skip`; Opus always counts at 48 kHz."""
        return Fraction(1, 48_000 if self.codec == AUDIO_CODEC_OPUS else self.sample_rate)


@dataclass(frozen=True, slots=True)
class StreamHeader:
    """What a decoder must know before the first packet.

    Attributes:
        weights_id: First 4 bytes of the sha256 of the weights file.
        geometry: Coded, scaled and display size.
        token_size: Values per token: 16, 32, 64 or 128.
        quantiser: Quantiser step, an index of the weights, 0 to 255.
        time_base: Seconds per tick of video pts; positive, 32-bit terms.
        nominal_duration: Ticks per frame at regular timing; positive, 32-bit terms.
        key_codec: Id of the codec of key pictures, 0 to 255; `KEY_CODEC_AV1` is defined.
        key_config: Configuration that all key packets share, 1 KiB at most. For AV1 the
            sequence header OBU.
        sample_aspect_ratio: Width over height of a pixel; positive, 32-bit terms.
        colour: Colour description of the source, or None if unknown.
        audio: Audio parameters, or None for a stream without audio.
        windows: Number of window layers, 0 to 255.
        holds: Whether tokens may be held, that is, repeat the one before.

    Raises:
        CorruptStream: A value is outside its range.
    """

    weights_id: bytes
    geometry: Geometry
    token_size: int
    quantiser: int
    time_base: Fraction
    nominal_duration: Fraction
    key_codec: int = KEY_CODEC_AV1
    key_config: bytes = b""
    sample_aspect_ratio: Fraction = Fraction(1)
    colour: ColourTags | None = None
    audio: AudioParameters | None = None
    windows: int = 0
    holds: bool = False

    def __post_init__(self) -> None:
        require(len(self.weights_id) == 4, f"weights id of {len(self.weights_id)} bytes")
        require(self.token_size in TOKEN_SIZES, f"token size {self.token_size}")
        require(0 <= self.quantiser < 256, f"quantiser {self.quantiser}")
        require(_is_ratio(self.time_base), f"time base {self.time_base}")
        require(_is_ratio(self.nominal_duration), f"frame duration {self.nominal_duration}")
        require(_is_ratio(self.sample_aspect_ratio), f"aspect ratio {self.sample_aspect_ratio}")
        require(0 <= self.key_codec < 256, f"key codec {self.key_codec}")
        require(0 <= self.windows < 256, f"{self.windows} window layers")


def _is_ratio(value: Fraction) -> bool:
    """Whether a fraction is positive and has 32-bit terms."""
    return 0 < value.numerator < 1 << 32 and value.denominator < 1 << 32
