"""Packets read ahead of their use, by a thread of its own."""

from __future__ import annotations

import time
from collections import deque
from enum import Enum
from threading import Condition, Thread
from typing import Final, NamedTuple

from imfcodec.bitstream import Damage, Packet, StreamReader, TokenPacket
from imfcodec.codec.pace import Pace

AHEAD_BYTES: Final = 1 << 20
"""Packets that wait for their use hold at most so many bytes, or are a single one ..."""

AHEAD_PACKETS: Final = 256
"""... and are at most so many."""


class Absent(Enum):
    """Why there is no packet."""

    NOT_YET = "none has arrived"
    EVER = "the stream has ended"


class ReadAhead:
    """Reads a stream while its packets are used.

    A live pipe may keep the thread waiting for ever, so nothing waits for the thread.

    Attributes:
        pace: Of the frames that came one by one.
        arrival_s: When the last packet that was taken arrived, by `time.monotonic`.
    """

    def __init__(self, reader: StreamReader, *, waits: bool) -> None:
        """Begin to read.

        Args:
            reader: Of the stream.
            waits: Whether it reads a file, which waits and so is never live.
        """
        self._reader = reader
        self._tick_s = float(reader.header.time_base)
        self._waits = waits
        self.pace = Pace()
        self._changed = Condition()
        self._arrived: deque[_Arrived] = deque()
        self.arrival_s = 0.0
        self._bytes = 0
        self._stopped = False
        Thread(target=self._run, name="imfcodec-reader", daemon=True).start()

    def take(self, *, wait: bool) -> Packet | Damage | Absent:
        """The next packet.

        Args:
            wait: Whether to wait for it if it has not arrived.

        Raises:
            ImfcodecError: What `StreamReader` raised, after all packets before it.
        """
        with self._changed:
            while not self._arrived:
                if not wait:
                    return Absent.NOT_YET
                self._changed.wait()
            item, size_bytes, self.arrival_s = self._arrived[0]
            if isinstance(item, StopIteration):
                return Absent.EVER
            if isinstance(item, Exception):
                raise item
            self._arrived.popleft()
            self._bytes -= size_bytes
            self._changed.notify_all()
            return item

    def stop(self) -> None:
        """Read no more; a read that waits for data is left alone."""
        with self._changed:
            self._stopped = True
            self._changed.notify_all()

    def _run(self) -> None:
        item: Packet | Damage | Exception | None = None
        while not isinstance(item, Exception):
            before = self._reader.sizes.total_bytes
            try:
                item = next(self._reader)
            except Exception as error:  # for the thread that takes the packets
                item = error
            with self._changed:
                arrival_s = time.monotonic()
                if not self._waits and isinstance(item, TokenPacket) and len(item.pts) == 1:
                    self.pace.see(arrival_s, item.pts[0] * self._tick_s)
                self._changed.wait_for(self._has_room)
                if self._stopped:
                    return
                size_bytes = self._reader.sizes.total_bytes - before
                self._arrived.append(_Arrived(item, size_bytes, arrival_s))
                self._bytes += size_bytes
                self._changed.notify_all()

    def _has_room(self) -> bool:
        room = self._bytes < AHEAD_BYTES and len(self._arrived) < AHEAD_PACKETS
        if not room:
            self.pace.delayed()
        return room or self._stopped


class _Arrived(NamedTuple):
    """What was read, its bytes, and when."""

    item: Packet | Damage | Exception
    size_bytes: int
    arrival_s: float
