"""From packets to pictures: decoding without an output format."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, replace
from typing import BinaryIO

import numpy as np
import numpy.typing as npt
import torch

from imfcodec import weights
from imfcodec.arrays import Picture
from imfcodec.bitstream import (
    FORMAT_LIMITS,
    AudioPacket,
    Damage,
    EndPacket,
    KeyPacket,
    LayerPacket,
    Limits,
    PredictedKeyPacket,
    RunPacket,
    StreamHeader,
    StreamReader,
    TokenPacket,
    frame_pts,
)
from imfcodec.codec.network import ENGINES
from imfcodec.codec.pictures import PICTURE_CODECS
from imfcodec.config import DecodeOptions
from imfcodec.errors import (
    CorruptStream,
    ImfcodecError,
    LimitExceeded,
    OptionError,
    UnsupportedVersion,
    WeightsMissing,
)
from imfcodec.media.geometry import MAX_CODED_PIXELS, CodingGeometry
from imfcodec.receiver.composition import Composer
from imfcodec.receiver.layer_decoder import LayerDecoder
from imfcodec.receiver.report import DecodeReport
from imfcodec.receiver.runs import RunDecoder
from imfcodec.receiver.windows import WindowTrack

MAX_REPEATS = 1500
"""Most copies that stand in for lost frames, besides one for each frame that was rebuilt. Beyond
that, the last picture stays: a few bytes must not ask for thousands of pictures."""


MAX_LAST_S = 24 * 3600
"""Longest time for which a stream may show its last frame, in seconds."""

FULL_HD = 1920 * 1080
"""Pixels of a picture of which so many copies are shown; of larger ones, fewer."""

MAX_DAMAGE_LINES = 100
"""Lines of damage in a report; further ones are only counted."""


@dataclass(frozen=True)
class DecodedFrame:
    """One frame to show.

    Attributes:
        number: Number of frames before it in display order.
        pts: Time in ticks of the stream's time base.
        rgb: uint8 [H, W, 3] at display size.
        lost: Whether the frame was lost, so that an earlier one is repeated.
        key: Number of the key frame that it was rebuilt from; for a key frame, its own number.
    """

    number: int
    pts: int
    rgb: npt.NDArray[np.uint8]
    lost: bool = False
    key: int = 0


def _weights_of(
    header: StreamHeader, choice: str | None, loaded: weights.Weights | None
) -> weights.Weights:
    """The weights that the stream names: loaded ones, the user's choice, or installed ones."""
    if choice is None and loaded is None:
        return weights.load(weights.find_by_id(header.weights_id))
    file = loaded.file if loaded else weights.find(choice)
    if file.id != header.weights_id:
        raise WeightsMissing(
            f"the stream needs weights {header.weights_id.hex()}, and "
            f"{choice or 'the loaded file'!r} is {file.label}"
        )
    return loaded or weights.load(file)


BasePacket = KeyPacket | PredictedKeyPacket | TokenPacket | RunPacket


def cuts(packet: BasePacket) -> bool:
    """Whether a packet depends on nothing before it, so that its frames may begin a shot."""
    return isinstance(packet, KeyPacket) or (isinstance(packet, RunPacket) and packet.begins)


class Decoder:
    """Iterates over the frames of an .imf stream.

    Attributes:
        header: The stream's header.
        report: Updated while iterating; complete when the iteration ends.
        end_pts: End of the last frame in ticks; None until the end packet is read.
    """

    header: StreamHeader
    report: DecodeReport
    end_pts: int | None

    def __init__(
        self,
        file: BinaryIO,
        options: DecodeOptions | None = None,
        limits: Limits | None = None,
        loaded: weights.Weights | None = None,
    ) -> None:
        """Read the header and load the weights that it names.

        Args:
            file: A binary file, seekable or not.
            options: Device, threads and batch; the output options have no effect.
            limits: Largest sizes to accept.
            loaded: The stream's weights, if the caller has loaded them.

        Raises:
            NotImfStream, UnsupportedVersion, CorruptStream, LimitExceeded: The header cannot be
                used.
            WeightsMissing, WeightsCorrupt: The weights cannot be used.
            OptionError: The device or the quantiser level does not exist.
        """
        options = options or DecodeOptions()
        limits = limits or FORMAT_LIMITS
        self._reader = StreamReader(file, limits)
        self.header = header = self._reader.header
        size = header.geometry
        if size.coded_width * size.coded_height > MAX_CODED_PIXELS:
            raise LimitExceeded(
                f"coded size {size.coded_width}x{size.coded_height} is above the network's "
                f"limit of {MAX_CODED_PIXELS} pixels"
            )
        self.geometry = CodingGeometry(
            (size.display_width, size.display_height),
            (size.scaled_width, size.scaled_height),
            (size.coded_width, size.coded_height),
        )
        if header.key_codec not in PICTURE_CODECS:
            raise UnsupportedVersion(f"key codec {header.key_codec} is not known")
        if options.engine not in ENGINES:
            raise OptionError(f"the engine must be {' or '.join(ENGINES)}, not {options.engine!r}")
        loaded = _weights_of(header, options.weights, loaded)
        tables = loaded.tables
        if tables.token_size != header.token_size or header.quantiser >= len(tables.levels):
            raise CorruptStream("the header's token size or quantiser does not fit its weights")
        try:
            torch.empty(0, device=options.device)
        except (RuntimeError, AssertionError, NotImplementedError) as error:
            raise OptionError(f"device {options.device!r} is not available") from error
        self.report = DecodeReport(loaded.file.label, self._reader.sizes)
        self._options, self._limits, self._loaded = options, limits, loaded
        self._network = ENGINES[options.engine](loaded, header.quantiser, options)
        self._layer = self._decoder_of(self.geometry.coded, header.key_config)
        self._runs = RunDecoder(self.geometry.coded, self._network, self.report)
        self._windows = {
            layer: WindowTrack(lambda side: self._decoder_of((side, side), b""), self._damage)
            for layer in range(1, header.windows + 1)
        }
        self._composer = Composer(self.geometry.display)
        self.end_pts = None
        self._next_frame = 0
        self._arrived_frames = 0
        self._last: DecodedFrame | None = None
        self._key_number = -1
        self._base = self._scaled = np.empty((0, 0, 3), np.uint8)
        display = size.display_width * size.display_height
        self._repeats_left = min(MAX_REPEATS, MAX_REPEATS * FULL_HD // display)
        self._damages = 0
        self._repeated = 0  # packets whose frames had been shown already

    def __iter__(self) -> Iterator[DecodedFrame]:
        """Frames in display order; a lost frame repeats the one before."""
        for event in self.events():
            if isinstance(event, DecodedFrame):
                yield event

    def events(self) -> Iterator[DecodedFrame | AudioPacket]:
        """Frames and audio packets in stream order; can be called once."""
        while True:
            with self.report.stages.timed("read"):
                packet = next(self._reader, None)
            match packet:
                case None:
                    break
                case KeyPacket() | PredictedKeyPacket() | TokenPacket() | RunPacket():
                    yield from self._frames(packet)
                case LayerPacket():
                    self._windows[packet.layer].push(packet)
                case AudioPacket():
                    yield packet
                case Damage():
                    self._note(packet)
                case EndPacket():
                    yield from self._repeat(packet.frame_count, packet.end_pts)
                    self._end(packet.end_pts)
        self._close_books()

    def _end(self, end_pts: int) -> None:
        """Take the end that the stream names, if it lies after the last frame and not far away."""
        if self._last is None:
            return
        length_s = (end_pts - self._last.pts) * self.header.time_base
        if 0 < length_s <= MAX_LAST_S:
            self.end_pts = end_pts
        else:
            self._damage(f"the last frame would be shown for {float(length_s):g} s")

    def _frames(self, packet: BasePacket) -> Iterator[DecodedFrame]:
        """The frames of a packet of the base."""
        first, pts = packet.first_frame, frame_pts(packet)
        is_key = isinstance(packet, KeyPacket | PredictedKeyPacket)
        if not is_key and first + len(pts) <= self._next_frame:
            self._repeated += 1
            return
        if self._lacks(packet):
            # Its timestamps may depend on a lost packet as well, so they are not used.
            self._lose()
            self._fail(first, len(pts), CorruptStream("depends on lost packets"))
            return
        if not self._accept(first, pts):
            return
        yield from self._repeat(first, pts[0])
        shown = 0
        try:
            for picture in self._take(packet):
                yield self._show(first + shown, pts[shown], picture, cut=not shown and cuts(packet))
                shown += 1
        except (CorruptStream, LimitExceeded) as error:
            # The next frames were coded for this packet; nothing older can replace it.
            self._lose()
            self._fail(first + shown, len(pts) - shown, error)

    def _lacks(self, packet: BasePacket) -> bool:
        if isinstance(packet, RunPacket):
            return self._runs.lacks(packet)
        return self._layer.lacks(packet)

    def _take(self, packet: BasePacket) -> Iterator[Picture]:
        if isinstance(packet, RunPacket):
            if packet.begins:
                self._layer.forget()
            pictures = self._runs.take(packet)
            self._key_number = self._runs.key_number
        else:
            pictures = self._layer.take(packet)
            self._key_number = self._layer.key_number
        return pictures

    def _show(self, number: int, pts: int, picture: Picture, *, cut: bool) -> DecodedFrame:
        """A frame to show, from the base's picture at coded size, which may be that before."""
        stages = self.report.stages
        if picture is not self._base:
            with stages.timed("scale"):
                self._base, self._scaled = picture, self.geometry.to_display(picture)
        windows = {n: shown for n, track in self._windows.items() if (shown := track.at(number))}
        for layer in windows:
            self.report.windows[layer] = self.report.windows.get(layer, 0) + 1
        with stages.timed("composition"):
            composed = self._composer.compose(self._scaled, windows, cut=cut)
        self._last = DecodedFrame(number, pts, composed, key=self._key_number)
        self._next_frame = number + 1
        self._repeats_left += 1
        self.report.frames += 1
        return self._last

    def _lose(self) -> None:
        self._layer.lose()
        self._runs.lose()

    def _decoder_of(self, size: tuple[int, int], config: bytes) -> LayerDecoder:
        """A decoder of a layer with this coded width and height."""
        codec = PICTURE_CODECS[self.header.key_codec]
        return LayerDecoder(
            codec.decoder(*size),
            self._loaded.tables.coder(self.header.quantiser, holds=self.header.holds),
            config,
            self._network.beside(),
            self._limits,
            self.report,
        )

    def _repeat(self, until_frame: int, until_pts: int) -> Iterator[DecodedFrame]:
        """Repeat the last frame in place of those missing before ``until_frame``."""
        missing = until_frame - self._next_frame
        if missing <= 0:
            return
        self.report.lose(self._next_frame, until_frame - 1)
        first, self._next_frame = self._next_frame, until_frame
        if self._last is None:
            return
        last, span = self._last, until_pts - self._last.pts
        copies = min(missing, self._repeats_left)
        self._repeats_left -= copies
        for n in range(1, copies + 1):
            pts = last.pts + n * span // (missing + 1)
            if last.pts < pts < until_pts and pts > self._last.pts:
                self._last = replace(last, number=first + n - 1, pts=pts, lost=True)
                self.report.frames += 1
                yield self._last

    def _accept(self, number: int, pts: tuple[int, ...]) -> bool:
        """Whether a packet comes after the frames already shown; if not, note what is lost."""
        behind = self._last is None or pts[0] > self._last.pts
        if number >= self._next_frame and behind and pts[0] >= 0:
            return True
        last = number + len(pts) - 1
        if last < self._next_frame and last <= self._key_number:
            self._repeated += 1  # nothing is lost, and nothing that follows depends on it
            return False
        self._lose()
        self._damage(f"frame {number} at pts {pts[0]} is out of order")
        if last >= self._next_frame:
            self.report.lose(max(number, self._next_frame), last)
        return False

    def _fail(self, first: int, count: int, error: ImfcodecError) -> None:
        """Record frames that arrived but cannot be rebuilt; `_repeat` shows copies instead."""
        self._arrived_frames = max(self._arrived_frames, first + count)
        if not self.report.damage or str(error) not in self.report.damage[-1]:
            self._damage(f"frames from {first}: {error}")

    def _note(self, damage: Damage) -> None:
        self._layer.lose()  # other layers and runs see by the frame numbers what is missing
        self.report.truncated |= damage.truncated
        self._damage(f"{damage.length_bytes} bytes at offset {damage.offset}: {damage.reason}")

    def _damage(self, line: str) -> None:
        if len(self.report.damage) < MAX_DAMAGE_LINES:
            self.report.damage.append(line)
        self._damages += 1

    def _close_books(self) -> None:
        if self._arrived_frames > self._next_frame:
            self.report.lose(self._next_frame, self._arrived_frames - 1)
        if self._damages > MAX_DAMAGE_LINES:
            self.report.damage[-1] = f"{self._damages - MAX_DAMAGE_LINES + 1} more"
        if repeated := self._repeated + self._reader.repetitions:
            self.report.warnings.append(f"{repeated} repeated or late packets were ignored")
        if self._last is not None:
            base = self.header.time_base
            end = self.end_pts
            if end is None:
                end = self._last.pts + int(self.header.nominal_duration)
            self.report.duration_s = float(end * base)
