"""A source that goes on whether or not its frames are coded: a camera, a call.

    source ─ thread that reads ─ frames that wait ─┬─ sender
                                                   └─ too old: dropped

What waits in a pipe makes all that follows late. So frames are read as they come, and where the
sender falls behind, it goes on with new ones. A pipe that a file goes through looks different: it
has the next frame before it is due. Nothing of it is dropped.
"""

from __future__ import annotations

import time
from collections import deque
from collections.abc import Iterator
from threading import Condition, Thread
from typing import Final

from imfcodec.media import AudioPacketOut, MediaReader, PictureFrame

LATE_S: Final = 0.2
"""Frames of a live source wait this long at most, in seconds, if there is a newer one."""

WAITING_BYTES: Final = 64 << 20
"""Frames of another source that wait hold about so many bytes."""

LOOKED_AT: Final = 16
"""A source is live if so many successive frames ..."""

PACE: Final = 0.9
"""... take this share of their time to arrive."""

Event = PictureFrame | AudioPacketOut


class LiveSource:
    """Reads ahead of the sender, and drops what is late if the source is live.

    Attributes:
        dropped: Number of frames that were dropped.
    """

    def __init__(self, reader: MediaReader) -> None:
        """Begin to read; the thread that reads closes the reader."""
        self._reader = reader
        self._tick_s = float(reader.info.time_base)
        self._changed = Condition()
        self._waiting: deque[tuple[float, Event]] = deque()  # with times of arrival
        self._waiting_bytes = 0
        self._arrivals: deque[tuple[float, int]] = deque(maxlen=LOOKED_AT)  # time, pts
        self._live = self._stopped = False
        self._end: Exception | None = None
        self.dropped = 0
        Thread(target=self._run, name="imfcodec-live", daemon=True).start()

    def __iter__(self) -> Iterator[Event]:
        """Events in order, as they arrive.

        Raises:
            Exception: What reading raised, after all events before it.
        """
        while (event := self._next()) is not None:
            yield event

    def stop(self) -> None:
        """Read no more; a read that waits for data is left alone."""
        with self._changed:
            self._stopped = True
            self._changed.notify_all()

    def _next(self) -> Event | None:
        with self._changed:
            self._changed.wait_for(lambda: self._waiting or self._end)
            if not self._waiting:
                assert self._end is not None
                if isinstance(self._end, StopIteration):
                    return None
                raise self._end
            self._drop_late()
            _, event = self._waiting.popleft()
            self._waiting_bytes -= _bytes(event)
            self._changed.notify_all()
            return event

    def _run(self) -> None:
        end: Exception = StopIteration()
        with self._reader:
            try:
                for event in self._reader.events():
                    self._put(event)
                    if self._stopped:
                        return
            except Exception as error:  # for the thread that takes the events
                end = error
        with self._changed:
            self._end = end
            self._changed.notify_all()

    def _put(self, event: Event) -> None:
        with self._changed:
            if isinstance(event, PictureFrame):
                self._see(event)
            self._changed.wait_for(self._has_room)
            self._waiting.append((time.monotonic(), event))
            self._waiting_bytes += _bytes(event)
            self._drop_late()
            self._changed.notify_all()

    def _see(self, picture: PictureFrame) -> None:
        """Learn from a frame that has arrived whether the source is live."""
        self._arrivals.append((time.monotonic(), picture.pts))
        (first_s, first_pts), (last_s, last_pts) = self._arrivals[0], self._arrivals[-1]
        if len(self._arrivals) == LOOKED_AT:
            self._live |= last_s - first_s >= PACE * (last_pts - first_pts) * self._tick_s

    def _has_room(self) -> bool:
        if not self._stopped and not self._live and self._waiting_bytes >= WAITING_BYTES:
            self._arrivals.clear()  # their times say how fast the sender is
            return False
        return True

    def _drop_late(self) -> None:
        """Drop frames that have waited too long, except the newest, and the first of all."""
        if not self._live:
            return
        kept = [item for item in self._waiting if isinstance(item[1], PictureFrame)]
        late = time.monotonic() - LATE_S
        gone = {id(event) for came, event in kept[:-1] if came < late and event.pts}
        if gone:
            self.dropped += len(gone)
            self._waiting = deque(item for item in self._waiting if id(item[1]) not in gone)
            self._waiting_bytes = sum(_bytes(event) for _, event in self._waiting)


def _bytes(event: Event) -> int:
    return event.rgb.nbytes if isinstance(event, PictureFrame) else len(event.data)
