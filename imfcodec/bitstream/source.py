"""Look-ahead over a file that cannot seek."""

from __future__ import annotations

from typing import Protocol

from imfcodec.errors import InputUnreadable

_CHUNK_BYTES = 64 << 10
_SCAN_BYTES = 4 << 10


class Readable(Protocol):
    """What a reader needs of a file: `read`, which may return fewer bytes than requested."""

    def read(self, size: int, /) -> bytes | None:
        """Returns 1 to `size` bytes, or no bytes at the end of the file."""


class ByteSource:
    """Bytes of a file in order, with exactly as much look-ahead as was requested.

    Only the missing bytes are read from the file. A live pipe is therefore never kept waiting,
    and a caller that reads the file afterwards continues just after the consumed bytes.

    Attributes:
        offset: Number of bytes consumed so far: the position of the next byte in the file.
    """

    def __init__(self, file: Readable) -> None:
        self._file = file
        self._ahead = bytearray()
        self._ended = False
        self.offset = 0

    def ensure(self, count: int) -> bool:
        """Looks ahead `count` bytes; false if the file ends earlier.

        Raises:
            InputUnreadable: The file cannot be read.
        """
        while len(self._ahead) < count and not self._ended:
            # In pieces, so that memory grows with what arrives and not with what was declared.
            self._fill(min(count - len(self._ahead), _CHUNK_BYTES))
        return len(self._ahead) >= count

    def peek(self, start: int, stop: int) -> bytes:
        """Copies look-ahead bytes, counted from the next byte; fewer if the file ends."""
        self.ensure(stop)
        return bytes(self._ahead[start:stop])

    def skip(self, count: int) -> None:
        """Consumes `count` bytes, or all look-ahead bytes if there are fewer."""
        count = min(count, len(self._ahead))
        del self._ahead[:count]
        self.offset += count

    def read(self, size: int, /) -> bytes:
        """Consumes and returns `size` bytes; fewer only if the file ends."""
        data = self.peek(0, size)
        self.skip(size)
        return data

    def skip_to(self, mark: bytes, keep: int) -> bool:
        """Consumes the bytes up to the next `mark` in constant memory.

        Args:
            mark: To look for.
            keep: Bytes before the end of the file to leave if there is none; at least a mark.

        Returns:
            Whether there is one.
        """
        while (found := self._ahead.find(mark)) < 0:
            self.skip(max(0, len(self._ahead) - keep))
            if self._ended:
                return False
            self._fill(_SCAN_BYTES)
        self.skip(found)
        return True

    def drain(self) -> None:
        """Consumes all remaining bytes in constant memory."""
        self.skip(len(self._ahead))
        while self.ensure(1):
            self._fill(_CHUNK_BYTES)
            self.skip(len(self._ahead))

    def _fill(self, size: int) -> None:
        try:
            data = self._file.read(size)
        except (OSError, ValueError) as error:  # ValueError: the file is closed
            raise InputUnreadable(f"reading failed at byte {self._position}: {error}") from error
        if data is None:
            raise InputUnreadable(f"the input has no data ready at byte {self._position}")
        self._ended = not data
        self._ahead += data

    @property
    def _position(self) -> int:
        return self.offset + len(self._ahead)
