"""AV1 runs of the base to pictures."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from functools import partial

from imfcodec.arrays import Picture
from imfcodec.bitstream import RunPacket
from imfcodec.codec.lasting_detail import LastingDetail
from imfcodec.codec.network import STRENGTHS, Network
from imfcodec.codec.pictures.av1_video import VideoDecoder
from imfcodec.codec.upcoming import Upcoming
from imfcodec.receiver.report import DecodeReport
from imfcodec.receiver.workers import Workers


class RunDecoder:
    """Decodes the packets of runs, one after the other.

    Attributes:
        key_number: Number of the first frame of the last run; -1 before any.
    """

    def __init__(
        self, size: tuple[int, int], network: Network, workers: Workers, report: DecodeReport
    ) -> None:
        """Set up.

        Args:
            size: Coded width and height in pixels.
            network: Restores the first picture of a run, or each one.
            workers: Run the network.
            report: Takes the time of each stage.
        """
        self._size, self._network, self._workers = size, network, workers
        self._report = report
        self._video: VideoDecoder | None = None
        self._detail: Upcoming[LastingDetail] | None = None
        self._each: int | None = None  # restoration of each picture
        self._next_frame = -1
        self.key_number = -1

    def lose(self) -> None:
        """Note that packets were lost, so that the run cannot go on."""
        self._video = None

    def lacks(self, packet: RunPacket) -> bool:
        """Whether a packet depends on something that was lost."""
        goes_on = self._video is not None and packet.first_frame == self._next_frame
        return not (packet.begins or goes_on)

    def take(self, packet: RunPacket) -> Iterator[Upcoming[Picture]]:
        """Decode the next packet, of which `lacks` does not hold.

        Returns:
            The pictures of its frames, RGB uint8 [H, W, 3] at coded size. They are decoded as they
            are taken from the iterator; then `CorruptStream` or `LimitExceeded` may arise. A
            picture that is held is the same object as before.
        """
        if packet.begins:
            self._video, self._detail = VideoDecoder(*self._size), None
            self._each = packet.restoration if packet.restores_each else None
            self.key_number = packet.first_frame
        self._next_frame = packet.first_frame + len(packet.pts)
        return self._pictures(packet)

    def _pictures(self, packet: RunPacket) -> Iterator[Upcoming[Picture]]:
        assert self._video is not None
        left = len(packet.pts)
        for number, unit in enumerate(packet.units):
            with self._report.stages.timed("AV1 run"):
                decoded = self._video.decode(unit)
            if self._each is not None:
                restored = partial(self._restore, self._network.restore_once, decoded, self._each)
                picture = Upcoming(self._workers.rebuilding.submit(restored).result)
            elif packet.begins and number == 0:
                picture = self._first(decoded, packet.restoration)
            else:
                picture = Upcoming(partial(self._detailed, decoded, self._detail))
            for _ in range(min(packet.hold, left)):
                yield picture
            left -= packet.hold

    def _first(self, picture: Picture, restoration: int) -> Upcoming[Picture]:
        if not STRENGTHS[restoration]:
            return Upcoming(lambda: picture)
        restore = partial(self._restore, self._network.restore, picture, restoration)
        restored = self._workers.restoring.submit(restore)
        self._detail = Upcoming(lambda: LastingDetail(picture, restored.result()))
        return Upcoming(restored.result)

    def _restore(
        self, restore: Callable[[Picture, int], Picture], picture: Picture, restoration: int
    ) -> Picture:
        with self._report.stages.timed("restoration"):
            return restore(picture, restoration)

    def _detailed(self, picture: Picture, detail: Upcoming[LastingDetail] | None) -> Picture:
        if detail is None:
            return picture
        lasting = detail.get()
        with self._report.stages.timed("detail"):
            return lasting.add(picture)
