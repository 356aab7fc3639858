"""Segments to packets without tokens: what a stream takes, less its tokens."""

from __future__ import annotations

from bisect import bisect_left
from collections.abc import Callable, Iterator, Sequence
from fractions import Fraction

from imfcodec.bitstream import KeyPacket, PredictedKeyPacket, TokenPacket, low_bits
from imfcodec.sender.key_coder import KeyCoder
from imfcodec.sender.rate import SegmentSettings
from imfcodec.sender.segment import KeyKind, Lead, Segment
from imfcodec.sender.segment_coder import PicturePacket
from imfcodec.sender.source_frame import SourceFrame


class KeySizer:
    """Codes only the key pictures of segments; nobody can decode the stream.

    Key pictures take the same bytes as those of a `SegmentCoder`. Frames between two key frames
    change over in the middle, which hardly changes the size of packet heads.

    Attributes:
        key_config: The key codec's configuration; known after the first packet.
    """

    def __init__(
        self, keys: KeyCoder, packet_ticks: Fraction, advance: Callable[[int], None]
    ) -> None:
        """Set up.

        Args:
            keys: Coder of the key pictures.
            packet_ticks: Longest time of the frames of a packet, in ticks.
            advance: Called with how many more frames are done.
        """
        self._keys, self._packet_ticks, self._advance = keys, packet_ticks, advance
        self.key_config = b""
        self._base = self._last = 0  # numbers of key frames

    def code(self, segment: Segment, settings: SegmentSettings) -> Iterator[PicturePacket]:
        """Yield the packets of a segment, without tokens."""
        frames = segment.frames
        follow = {Lead.ALL: 0, Lead.LATER: len(frames) // 2, Lead.NOTHING: len(frames)}
        count = follow[segment.lead] if segment.key else len(frames)
        yield from self._tokens(frames[:count])
        if segment.key:
            yield self._key(segment.key, segment.kind, settings.key_crf, frames[count:])
        self._advance(len(frames) + bool(segment.key))

    def _tokens(self, frames: Sequence[SourceFrame]) -> Iterator[TokenPacket]:
        while frames:
            end = frames[0].pts + self._packet_ticks
            count = max(1, bisect_left(frames, end, key=lambda f: Fraction(f.pts)))
            pts = tuple(frame.pts for frame in frames[:count])
            yield TokenPacket(frames[0].number, pts, b"", None)
            frames = frames[count:]

    def _key(
        self, frame: SourceFrame, kind: KeyKind, crf: float, lead: Sequence[SourceFrame]
    ) -> KeyPacket | PredictedKeyPacket:
        picture = self._keys.code(frame, kind, crf)
        data, config = picture.coded.data, picture.coded.config
        pts, strength = tuple(f.pts for f in lead), picture.restoration
        origin, self._last = self._last if picture.chained else self._base, frame.number
        if picture.kind is KeyKind.PREDICTED:
            named = low_bits(origin)
            return PredictedKeyPacket(frame.number, frame.pts, named, b"", data, pts, strength)
        self._base = frame.number
        self.key_config = self.key_config or config
        own = None if config == self.key_config else config
        return KeyPacket(
            frame.number, frame.pts, b"", data, config=own, lead=pts, restoration=strength
        )
