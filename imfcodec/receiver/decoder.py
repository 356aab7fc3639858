"""From packets to pictures: decoding without an output format."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, replace
from typing import BinaryIO

import numpy as np
import numpy.typing as npt
import torch

from imfcodec import weights
from imfcodec.bitstream import (
    FORMAT_LIMITS,
    AudioPacket,
    Damage,
    EndPacket,
    KeyPacket,
    Limits,
    PredictedKeyPacket,
    StreamHeader,
    StreamReader,
    TokenPacket,
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
from imfcodec.receiver.key_frames import KeyFrames
from imfcodec.receiver.report import DecodeReport

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
        self._coder = tables.coder(header.quantiser)
        pictures = PICTURE_CODECS[header.key_codec].decoder(size.coded_width, size.coded_height)
        self._keys = KeyFrames(pictures, self._coder, header.key_config, limits.max_key_chain)
        self._network = ENGINES[options.engine](loaded, header.quantiser, options)
        self.report = DecodeReport(loaded.file.label, self._reader.sizes)
        self.end_pts = None
        self._next_frame = 0
        self._arrived_frames = 0
        self._last: DecodedFrame | None = None
        self._chain_holds = False
        self._key_number = -1
        self._held: npt.NDArray[np.int32] | None = None  # token of the last picture
        self._picture = np.empty((0, 0, 3), np.uint8)
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
                case KeyPacket() | PredictedKeyPacket():
                    yield from self._key(packet)
                case TokenPacket():
                    yield from self._tokens(packet)
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

    def _key(self, packet: KeyPacket | PredictedKeyPacket) -> Iterator[DecodedFrame]:
        first = packet.frame_number - len(packet.lead)
        stamps = (*packet.lead, packet.pts)
        if not self._accept(first, stamps):
            return
        yield from self._repeat(first, stamps[0])
        self._chain_holds = False
        try:
            with self.report.stages.timed("key frame"):
                key = self._keys.decode(packet)
        except (CorruptStream, LimitExceeded) as error:
            # The next frames were coded for this key frame; no older one can replace it.
            self._fail(first, len(stamps), error)
            return
        with self.report.stages.timed("network"):
            reference = self._network.restore(key.picture, packet.restoration)
            self._network.set_reference(reference, key.token)
        self._key_number = packet.frame_number
        self._held = None
        self._chain_holds = True
        self.report.key_frames += 1
        self.report.predicted_key_frames += isinstance(packet, PredictedKeyPacket)
        yield from self._rebuild(first, stamps, np.concatenate([key.lead, key.token[None]]))

    def _tokens(self, packet: TokenPacket) -> Iterator[DecodedFrame]:
        count = len(packet.pts)
        if packet.first_frame + count <= self._next_frame:
            self._repeated += 1
            return
        if packet.first_frame != self._next_frame:
            self._chain_holds = False
        key_token = None if packet.key is None else self._keys.token_of(packet.key)
        if not (self._chain_holds if packet.chained else key_token is not None):
            # Its timestamps may depend on a lost packet as well, so they are not used.
            self._chain_holds = False
            self._fail(packet.first_frame, count, CorruptStream("depends on lost packets"))
            return
        if not self._accept(packet.first_frame, packet.pts):
            return
        yield from self._repeat(packet.first_frame, packet.pts[0])
        try:
            with self.report.stages.timed("entropy"):
                if key_token is not None:
                    self._coder.reset(key_token)
                tokens = self._coder.decode(packet.payload, count)
        except CorruptStream as error:
            self._chain_holds = False
            self._fail(packet.first_frame, count, error)
            return
        self._chain_holds = True
        yield from self._rebuild(packet.first_frame, packet.pts, tokens)

    def _rebuild(
        self, first: int, pts: tuple[int, ...], tokens: npt.NDArray[np.int32]
    ) -> Iterator[DecodedFrame]:
        """Consecutive frames from their tokens, int32 [n, d_m]; one that is held costs nothing."""
        step = self._network.batch
        for begin in range(0, len(tokens), step):
            batch = tokens[begin : begin + step]
            before = batch[:1] - 1 if self._held is None else self._held[None]
            changed = (batch != np.concatenate([before, batch[:-1]])).any(1)
            with self.report.stages.timed("network"):
                rebuilt = self._network.rebuild(batch[changed]) if changed.any() else ()
            self._held = batch[-1]
            yield from self._show(first + begin, pts[begin : begin + step], changed, iter(rebuilt))

    def _show(
        self,
        first: int,
        pts: tuple[int, ...],
        changed: npt.NDArray[np.bool_],
        rebuilt: Iterator[npt.NDArray[np.uint8]],
    ) -> Iterator[DecodedFrame]:
        """Frames: the next rebuilt picture where it has changed, else the one before."""
        for number, (stamp, new) in enumerate(zip(pts, changed, strict=True), first):
            if new:
                with self.report.stages.timed("scale"):
                    self._picture = self.geometry.to_display(next(rebuilt))
            self._last = DecodedFrame(number, stamp, self._picture, key=self._key_number)
            self._next_frame = number + 1
            self._repeats_left += 1
            self.report.frames += 1
            yield self._last

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
        self._chain_holds = False
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
        self._chain_holds = False
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
