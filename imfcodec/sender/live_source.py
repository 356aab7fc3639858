"""A source that goes on whether or not its frames are coded: a camera, a call.

    source ─ thread that reads ─ frames that wait ─┬─ sender
                                                   └─ too old: dropped

What waits in a pipe makes all that follows late. So frames are read as they come, and where the
sender falls behind, it goes on with the newest. Of a file that goes through a pipe, nothing is
dropped.
"""

from __future__ import annotations

import time
from collections import deque
from collections.abc import Iterator
from threading import Condition, Thread
from typing import Final

from imfcodec.codec.pace import Pace
from imfcodec.media import AudioPacketOut, MediaReader, PictureFrame

LATE_S: Final = 0.06
"""Once a frame of a live source has waited this long, in seconds, only the newest one is kept."""

WAITING_BYTES: Final = 64 << 20
"""Frames of another source that wait hold about so many bytes."""

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
        self._pace = Pace()
        self._stopped = False
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
        try:
            with self._reader:
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
                self._pace.see(time.monotonic(), event.pts * self._tick_s)
            self._changed.wait_for(self._has_room)
            self._waiting.append((time.monotonic(), event))
            self._waiting_bytes += _bytes(event)
            self._drop_late()
            self._changed.notify_all()

    def _has_room(self) -> bool:
        if not self._stopped and not self._pace.live and self._waiting_bytes >= WAITING_BYTES:
            self._pace.delayed()
            return False
        return True

    def _drop_late(self) -> None:
        """Drop all frames but the newest, and the first of all, if one has waited too long."""
        if not self._pace.live:
            return
        pictures = [(came, e) for came, e in self._waiting if isinstance(e, PictureFrame) and e.pts]
        if pictures and pictures[0][0] < time.monotonic() - LATE_S:
            gone = {id(event) for _, event in pictures[:-1]}
            self.dropped += len(gone)
            self._waiting = deque(item for item in self._waiting if id(item[1]) not in gone)
            self._waiting_bytes = sum(_bytes(event) for _, event in self._waiting)


def _bytes(event: Event) -> int:
    return event.rgb.nbytes if isinstance(event, PictureFrame) else len(event.data)
