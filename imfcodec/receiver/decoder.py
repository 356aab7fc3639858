"""From packets to pictures: decoding without an output format."""

from __future__ import annotations

import time
from collections import deque
from collections.abc import Callable, Iterator
from concurrent.futures import Future
from functools import partial
from typing import BinaryIO, Final

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
from imfcodec.codec.pace import Pace
from imfcodec.codec.pictures import PICTURE_CODECS
from imfcodec.codec.upcoming import Upcoming
from imfcodec.config import DecodeOptions
from imfcodec.errors import (
    CorruptStream,
    ImfcodecError,
    InputUnreadable,
    LimitExceeded,
    OptionError,
    UnsupportedVersion,
)
from imfcodec.media import is_seekable
from imfcodec.media.geometry import MAX_CODED_PIXELS, CodingGeometry
from imfcodec.receiver.display import DecodedFrame, Display, PlannedFrame
from imfcodec.receiver.engine import engine_of, weights_of
from imfcodec.receiver.layer_decoder import LayerDecoder
from imfcodec.receiver.read_ahead import Absent, ReadAhead
from imfcodec.receiver.report import DecodeReport
from imfcodec.receiver.runs import RunDecoder
from imfcodec.receiver.windows import WindowTrack
from imfcodec.receiver.workers import Workers

__all__ = ["DecodedFrame", "Decoder"]

MAX_REPEATS = 1500
"""Most copies that stand in for lost frames, besides one for each frame that was rebuilt. Beyond
that, the last picture stays: a few bytes must not ask for thousands of pictures."""


MAX_LAST_S = 24 * 3600
"""Longest time for which a stream may show its last frame, in seconds."""

FULL_HD = 1920 * 1080
"""Pixels of a picture of which so many copies are shown; of larger ones, fewer."""

MAX_DAMAGE_LINES = 100
"""Lines of damage in a report; further ones are only counted."""


AHEAD_FRAMES: Final = 64
"""At most so many frames are planned ahead of the one that is shown ..."""

AHEAD_BYTES: Final = 32 << 20
"""... and about so many bytes of their pictures are made ahead."""

WINDOW_PIXELS: Final = 256 * 256
"""Of most windows, at coded size."""

COMPOSED: Final = 2
"""Frames that are composed ahead, at display size."""

Event = DecodedFrame | AudioPacket
Step = PlannedFrame | AudioPacket


LATE_S: Final = 0.06
"""Frames of a live stream are late if they have not been begun so many seconds after they came."""


def _is_late(pace: Pace, arrival_s: float, early_s: float) -> bool:
    """Whether a frame is late, or will be in so many seconds."""
    return pace.live and time.monotonic() > arrival_s + LATE_S - early_s


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
            OptionError: ``file`` cannot be read, or the device or the quantiser level does not
                exist.
        """
        if not hasattr(file, "read"):
            raise OptionError(f"file must be a binary file, not {file!r}")
        options = options or DecodeOptions()
        limits = limits or FORMAT_LIMITS
        self._is_file = is_seekable(file)
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
        engine = engine_of(header, options, loaded)
        found = weights_of(header, options, loaded, engine)
        tables = found.tables
        if tables.token_size != header.token_size or header.quantiser >= len(tables.levels):
            raise CorruptStream("the header's token size or quantiser does not fit its weights")
        self.report = DecodeReport(found.file.label, engine, self._reader.sizes)
        self._options, self._limits, self._tables = options, limits, tables
        self._network = ENGINES[engine](found, header.quantiser, options)
        self._workers = Workers(self._network.side_by_side)
        self._layer = self._decoder_of(self.geometry.coded, header.key_config)
        self._runs = RunDecoder(self.geometry.coded, self._network, self._workers, self.report)
        self._windows = {
            layer: WindowTrack(lambda side: self._decoder_of((side, side), b""), self._damage)
            for layer in range(1, header.windows + 1)
        }
        self._display = Display(self.geometry, self.report)
        self.end_pts = None
        self._next_frame = 0
        self._arrived_frames = 0
        self._last: PlannedFrame | None = None
        self._key_number = -1
        display = size.display_width * size.display_height
        self._repeats_left = min(MAX_REPEATS, MAX_REPEATS * FULL_HD // display)
        self._damages = 0
        self._repeated = 0  # packets whose frames had been shown already

    def __iter__(self) -> Iterator[DecodedFrame]:
        """Frames in display order; a lost frame repeats the one before."""
        for event in self.events():
            if isinstance(event, DecodedFrame):
                yield event

    def events(self) -> Iterator[Event]:
        """Frames and audio packets in stream order; can be called once.

        The file is read ahead, and key frames are restored and frames rebuilt ahead, in other
        threads. A frame is yielded as soon as it is complete, whatever the file still holds.
        """
        packets = ReadAhead(self._reader, waits=self._is_file)
        waiting = deque[Step]()
        composed = deque[Future[Event]]()
        size = self.header.geometry
        frame_bytes = 3 * (
            size.coded_width * size.coded_height + self.header.windows * WINDOW_PIXELS
        )
        most = min(AHEAD_FRAMES, AHEAD_BYTES // frame_bytes)

        def compose() -> None:
            while waiting and len(composed) < COMPOSED:
                composed.append(self._workers.composing.submit(self._complete, waiting.popleft()))

        def enough() -> int:
            # While the next frame is not complete, there is time to plan others. Otherwise planning
            # gets ahead by one frame a frame, so that none of the first ones is late.
            gained = self.report.frames + self._network.batch
            return min(most, gained) if composed[0].done() else most

        def next_event() -> Event:
            event = composed.popleft().result()
            compose()
            self.report.frames += isinstance(event, DecodedFrame)
            return event

        try:
            try:
                for step in self._steps(packets, can_wait=lambda: not composed):
                    if step is not None:
                        waiting.append(step)
                        compose()
                    if composed and (step is None or len(waiting) >= enough()):
                        yield next_event()
            except ImfcodecError:
                while composed:  # these came before
                    yield next_event()
                raise
            while composed:
                yield next_event()
            self._close_books()
        finally:
            packets.stop()
            self._workers.stop()

    def _steps(self, packets: ReadAhead, can_wait: Callable[[], bool]) -> Iterator[Step | None]:
        """Frames and sound in stream order; None where neither has arrived and none may wait."""
        while True:
            try:
                with self.report.stages.timed("read"):
                    packet = packets.take(wait=can_wait())
            except InputUnreadable as error:
                if self._last is None:
                    raise
                self.report.truncated = True  # a connection that broke: what has arrived is shown
                self._damage(str(error))
                return
            match packet:
                case Absent.NOT_YET:
                    yield None
                case Absent.EVER:
                    return
                case KeyPacket() | PredictedKeyPacket() | TokenPacket() | RunPacket():
                    yield from self._frames(
                        packet, partial(_is_late, packets.pace, packets.arrival_s)
                    )
                case LayerPacket():
                    self._windows[packet.layer].push(packet)
                case AudioPacket():
                    yield packet
                case Damage():
                    self._note(packet)
                case EndPacket():
                    yield from self._repeat(packet.frame_count, packet.end_pts)
                    self._end(packet.end_pts)

    def _complete(self, step: Step) -> Event:
        return self._display.show(step) if isinstance(step, PlannedFrame) else step

    def _end(self, end_pts: int) -> None:
        """Take the end that the stream names, if it lies after the last frame and not far away."""
        if self._last is None:
            return
        length_s = (end_pts - self._last.pts) * self.header.time_base
        if 0 < length_s <= MAX_LAST_S:
            self.end_pts = end_pts
        else:
            self._damage(f"the last frame would be shown for {float(length_s):g} s")

    def _frames(
        self, packet: BasePacket, is_late: Callable[[float], bool]
    ) -> Iterator[PlannedFrame]:
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
            for picture in self._take(packet, is_late):
                yield self._plan(first + shown, pts[shown], picture, cut=not shown and cuts(packet))
                shown += 1
        except (CorruptStream, LimitExceeded) as error:
            # The next frames were coded for this packet; nothing older can replace it.
            self._lose()
            self._fail(first + shown, len(pts) - shown, error)

    def _lacks(self, packet: BasePacket) -> bool:
        if isinstance(packet, RunPacket):
            return self._runs.lacks(packet)
        return self._layer.lacks(packet)

    def _take(
        self, packet: BasePacket, is_late: Callable[[float], bool]
    ) -> Iterator[Upcoming[Picture]]:
        if isinstance(packet, RunPacket):
            if packet.begins:
                self._layer.forget()
            pictures = self._runs.take(packet)
            self._key_number = self._runs.key_number
        else:
            pictures = self._layer.take(packet, is_late)
            self._key_number = self._layer.key_number
        return pictures

    def _plan(
        self, number: int, pts: int, picture: Upcoming[Picture], *, cut: bool
    ) -> PlannedFrame:
        """A frame to show, from the base's picture at coded size, which may be that before."""
        windows = {n: shown for n, track in self._windows.items() if (shown := track.at(number))}
        for layer in windows:
            self.report.windows[layer] = self.report.windows.get(layer, 0) + 1
        self._last = PlannedFrame(number, pts, self._key_number, picture, windows, cut)
        self._next_frame = number + 1
        self._repeats_left += 1
        return self._last

    def _lose(self) -> None:
        self._layer.lose()
        self._runs.lose()

    def _decoder_of(self, size: tuple[int, int], config: bytes) -> LayerDecoder:
        """A decoder of a layer with this coded width and height."""
        codec = PICTURE_CODECS[self.header.key_codec]
        return LayerDecoder(
            codec.decoder(*size),
            self._tables.coder(self.header.quantiser, holds=self.header.holds),
            config,
            self._network,
            self._workers,
            self._limits,
            self.report,
        )

    def _repeat(self, until_frame: int, until_pts: int) -> Iterator[PlannedFrame]:
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
                self._last = PlannedFrame(first + n - 1, pts, last.key, None)
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
        self.report.warnings += self._network.warnings
        if self.report.late:
            self.report.warnings.append(
                f"{self.report.late} frames were late and show the picture before them"
            )
        if repeated := self._repeated + self._reader.repetitions:
            self.report.warnings.append(f"{repeated} repeated or late packets were ignored")
        if self._last is not None:
            base = self.header.time_base
            end = self.end_pts
            if end is None:
                end = self._last.pts + int(self.header.nominal_duration)
            self.report.duration_s = float(end * base)
