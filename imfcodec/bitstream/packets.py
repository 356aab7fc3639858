"""The packets after the stream header (FORMAT.md, sections 4 and 5)."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from itertools import pairwise

from imfcodec.bitstream.parameters import BLOCK
from imfcodec.bitstream.rules import require

TYPE_KEY = 1
TYPE_TOKENS = 2
TYPE_AUDIO = 3
TYPE_LAYER = 4
TYPE_END = 5
TYPE_PREDICTED_KEY = 6
TYPE_EXTENSION = 7

KIND_RUN = 3
KIND_RUN_CONTINUED = 4
KIND_WINDOW_END = 5
"""Kinds of packets of type 4; their other kinds have the number of a type."""

RESTORATIONS = 4
"""Number of values of the field ``restoration``, which gives the restoration strength."""

_MAX_HOLD = 32
_FRAME_NUMBER_BOUND = 1 << 48
_PTS_BOUND = 1 << 62


def _check_frame_number(frame_number: int) -> None:
    require(0 <= frame_number < _FRAME_NUMBER_BOUND, f"frame number {frame_number}")


def _check_pts(pts: int) -> None:
    # Two bits are spare, so that every difference of two timestamps fits 64 bits.
    require(-_PTS_BOUND < pts < _PTS_BOUND, f"timestamp {pts}")


def low_bits(frame_number: int) -> int:
    """The low 8 bits of a frame number, by which packets name a frame."""
    return frame_number & 0xFF


def _check_low_bits(value: int, what: str) -> None:
    require(0 <= value < 256, f"{what} {value}")


def _check_restoration(restoration: int) -> None:
    require(0 <= restoration < RESTORATIONS, f"restoration {restoration}")


def _is_rising(values: Sequence[int]) -> bool:
    return all(earlier < later for earlier, later in pairwise(values))


def check_hold(hold: int) -> None:
    """Checks the number of frames for which each picture of a run is shown.

    Raises:
        CorruptStream: It is outside its range.
    """
    require(0 < hold <= _MAX_HOLD, f"pictures shown for {hold} frames")


def _check_frames(first_frame: int, pts: Sequence[int]) -> None:
    require(len(pts) > 0, "no frames")
    _check_frame_number(first_frame)
    _check_frame_number(first_frame + len(pts))
    _check_pts(pts[0])
    _check_pts(pts[-1])
    require(_is_rising(pts), "timestamps do not rise")


def _check_lead(frame_number: int, pts: int, lead: Sequence[int]) -> None:
    require(len(lead) <= frame_number, "more leading frames than frames before it")
    if lead:
        _check_pts(lead[0])
        require(_is_rising([*lead, pts]), "timestamps do not rise")


@dataclass(frozen=True, slots=True)
class KeyPacket:
    """A frame coded as an independent picture, to which later frames refer.

    Attributes:
        frame_number: Frames before it in display order, 0 to 2**48 - 1.
        pts: Timestamp in ticks of the video time base, within +-2**62.
        token: Entropy-coded tokens of this frame and of its leading frames; opaque here.
        picture: Coded picture, for AV1 the OBUs of the frame; opaque here.
        config: Configuration of the key codec for this packet; None means that of the header.
        lead: Timestamps of the leading frames, which precede this frame and are rebuilt from it.
            Their tokens are coded backwards from it.
        restoration: Code of the restoration strength, 0 (full strength) to 3 (no restoration).

    Raises:
        CorruptStream: A value is outside its range.
    """

    frame_number: int
    pts: int
    token: bytes
    picture: bytes
    config: bytes | None = None
    lead: tuple[int, ...] = ()
    restoration: int = 0

    @property
    def first_frame(self) -> int:
        """Number of the first frame: the first leading frame or the key frame."""
        return self.frame_number - len(self.lead)

    def __post_init__(self) -> None:
        _check_frame_number(self.frame_number)
        _check_pts(self.pts)
        _check_lead(self.frame_number, self.pts, self.lead)
        _check_restoration(self.restoration)


@dataclass(frozen=True, slots=True)
class PredictedKeyPacket:
    """A key frame whose picture and token are coded from those of earlier key frames.

    It names its origin. If the origin is its base, the last `KeyPacket` before it, the picture is
    coded from the base's picture alone. If the origin is the predicted key frame just before it,
    the picture is coded from that picture and from all that that one is coded from.

    Attributes:
        frame_number: Frames before it in display order, 0 to 2**48 - 1.
        pts: Timestamp in ticks of the video time base, within +-2**62.
        origin: Low 8 bits of the origin's frame number. They are unique among the key frames that
            this one is coded from.
        token: Entropy-coded tokens of this frame and of its leading frames; opaque here.
        picture: Coded picture; opaque here.
        lead, restoration: As in `KeyPacket`.

    Raises:
        CorruptStream: A value is outside its range.
    """

    frame_number: int
    pts: int
    origin: int
    token: bytes
    picture: bytes
    lead: tuple[int, ...] = ()
    restoration: int = 0

    @property
    def first_frame(self) -> int:
        """Number of the first frame: the first leading frame or the key frame."""
        return self.frame_number - len(self.lead)

    def __post_init__(self) -> None:
        _check_frame_number(self.frame_number)
        _check_pts(self.pts)
        _check_lead(self.frame_number, self.pts, self.lead)
        _check_restoration(self.restoration)
        _check_low_bits(self.origin, "origin")


@dataclass(frozen=True, slots=True)
class TokenPacket:
    """Consecutive frames coded as tokens.

    Attributes:
        first_frame: Number of the first frame, 0 to 2**48 - 1.
        pts: Timestamp of each frame in ticks of the video time base, ascending, within +-2**62.
        payload: Range-coded tokens; opaque here.
        key: Low 8 bits of the number of the last key frame before it, from which the first token
            is predicted. None if the packet is chained: the entropy coder then continues from
            the packet with the previous frame.

    Raises:
        CorruptStream: A value is outside its range, or there is no frame.
    """

    first_frame: int
    pts: tuple[int, ...]
    payload: bytes
    key: int | None = None

    @property
    def chained(self) -> bool:
        """Whether the entropy coder continues from the previous packet."""
        return self.key is None

    def __post_init__(self) -> None:
        _check_frames(self.first_frame, self.pts)
        if self.key is not None:
            _check_low_bits(self.key, "key frame")


@dataclass(frozen=True, slots=True)
class RunPacket:
    """Consecutive frames of the base as plain AV1 video.

    Attributes:
        first_frame: Number of the first frame, 0 to 2**48 - 1.
        pts: Timestamp of each frame in ticks of the video time base, ascending, within +-2**62.
        units: One temporal unit for every `hold` frames, and one for the frames left over; not
            empty; opaque here.
        hold: Number of frames for which each picture is shown, 1 to 32.
        begins: Whether a run begins here. Otherwise the units depend on the run packet that ends
            with the previous frame.
        restoration: As in `KeyPacket`; it holds for the whole run, and is 0 where none begins.
        restores_each: Whether the first pass of R restores each picture of the run. Otherwise, R
            restores the first one. False where none begins.

    Raises:
        CorruptStream: A value is outside its range, or the units do not fit the frames.
    """

    first_frame: int
    pts: tuple[int, ...]
    units: tuple[bytes, ...]
    hold: int = 1
    begins: bool = True
    restoration: int = 0
    restores_each: bool = False

    def __post_init__(self) -> None:
        _check_frames(self.first_frame, self.pts)
        check_hold(self.hold)
        fits = len(self.units) == -(-len(self.pts) // self.hold)
        require(fits, f"{len(self.units)} pictures for {len(self.pts)} frames")
        require(all(self.units), "an empty temporal unit")
        _check_restoration(self.restoration)
        restored = self.restoration or self.restores_each
        require(self.begins or not restored, "restoration within a run")


VideoPacket = KeyPacket | PredictedKeyPacket | TokenPacket
"""A packet of key frames or tokens, which the base and the layers have."""

BasePacket = VideoPacket | RunPacket
"""A packet that carries frames of the base."""


def frame_pts(packet: BasePacket) -> tuple[int, ...]:
    """Timestamps of all frames of a packet, in display order."""
    if isinstance(packet, TokenPacket | RunPacket):
        return packet.pts
    return (*packet.lead, packet.pts)


@dataclass(frozen=True, slots=True)
class Window:
    """Where the picture of a layer lies: a square inside the picture of the display size.

    Attributes:
        left, top: First column and row, in pixels of the display size, from 0.
        side: Width and height, in pixels of the display size, from 8.
        coded_side: Width and height that the network sees, in pixels: a multiple of 32, 64 to 512.

    Raises:
        CorruptStream: A value is outside its range.
    """

    left: int
    top: int
    side: int
    coded_side: int

    def __post_init__(self) -> None:
        require(self.left >= 0 and self.top >= 0, f"window at {self.left}, {self.top}")
        require(self.side >= 8, f"window of {self.side} pixels")
        is_coded = self.coded_side in range(2 * BLOCK, 16 * BLOCK + 1, BLOCK)
        require(is_coded, f"coded side {self.coded_side}")

    @property
    def rows(self) -> slice:
        """Its rows in the picture."""
        return slice(self.top, self.top + self.side)

    @property
    def columns(self) -> slice:
        """Its columns in the picture."""
        return slice(self.left, self.left + self.side)


@dataclass(frozen=True, slots=True)
class WindowEnd:
    """From here on, a layer has no window until its next key packet.

    Attributes:
        frame_number: Number of the first frame without the window, 0 to 2**48 - 1.

    Raises:
        CorruptStream: The number is outside its range.
    """

    frame_number: int

    @property
    def first_frame(self) -> int:
        """Number of the first frame without the window."""
        return self.frame_number

    def __post_init__(self) -> None:
        _check_frame_number(self.frame_number)


@dataclass(frozen=True, slots=True)
class LayerPacket:
    """A packet of a window layer.

    Attributes:
        layer: Number of the layer, 1 to 15.
        packet: Frames of the window, or its end. The pts of each frame is its number. A `KeyPacket`
            has its own configuration.
        window: Where the window lies from the first frame of the packet on. A `KeyPacket` has one.
            A `PredictedKeyPacket` has one if the window moves; its coded side is that of the base.

    Raises:
        CorruptStream: A value is outside its range, or the packet breaks one of these rules.
    """

    layer: int
    packet: VideoPacket | WindowEnd
    window: Window | None = None

    def __post_init__(self) -> None:
        require(0 < self.layer < 16, f"layer {self.layer}")
        match self.packet:
            case KeyPacket(config=config):
                require(self.window is not None, "no window")
                require(config is not None, "no configuration")
            case TokenPacket() | WindowEnd():
                require(self.window is None, "a window without a key frame")
        if not isinstance(self.packet, WindowEnd):
            pts = frame_pts(self.packet)
            first = self.packet.first_frame
            require(pts == tuple(range(first, first + len(pts))), "irregular timing")


@dataclass(frozen=True, slots=True)
class AudioPacket:
    """Consecutive packets of the audio codec.

    Attributes:
        pts: Timestamp of the first codec packet in ticks of the audio time base, within +-2**62.
        packets: Codec packets, at least one; opaque here.

    Raises:
        CorruptStream: A value is outside its range, or there is no codec packet.
    """

    pts: int
    packets: tuple[bytes, ...]

    def __post_init__(self) -> None:
        _check_pts(self.pts)
        require(len(self.packets) > 0, "no audio packets")


@dataclass(frozen=True, slots=True)
class EndPacket:
    """The last packet; without it, a stream counts as truncated.

    Attributes:
        frame_count: Number of frames of the whole stream.
        end_pts: End of the last frame, in ticks of the video time base, within +-2**62.

    Raises:
        CorruptStream: A value is outside its range.
    """

    frame_count: int
    end_pts: int

    def __post_init__(self) -> None:
        _check_frame_number(self.frame_count)
        _check_pts(self.end_pts)


@dataclass(frozen=True, slots=True)
class ExtensionPacket:
    """Data that this version of the format does not define.

    Attributes:
        subtype: What it is, 0 to 2**64 - 1.
        data: What the subtype says.

    Raises:
        CorruptStream: A value is outside its range.
    """

    subtype: int
    data: bytes

    @property
    def critical(self) -> bool:
        """Whether a reader that does not know the subtype must refuse the stream."""
        return bool(self.subtype & 1)

    def __post_init__(self) -> None:
        require(0 <= self.subtype < 1 << 64, f"extension subtype {self.subtype}")


Packet = BasePacket | LayerPacket | AudioPacket | EndPacket | ExtensionPacket


@dataclass(frozen=True, slots=True)
class Damage:
    """A part of the file that yields no packet.

    Attributes:
        offset: Position of its first byte in the file.
        length_bytes: Its size in bytes; 0 if the file simply stops.
        reason: Message that describes the fault at its beginning.
        truncated: Whether the file ends here without an end packet.
    """

    offset: int
    length_bytes: int
    reason: str
    truncated: bool = False
