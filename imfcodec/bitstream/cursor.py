"""A position that moves through bytes already in memory."""

from __future__ import annotations

from imfcodec.bitstream.limits import check_size
from imfcodec.bitstream.varint import read_varint, unzigzag
from imfcodec.errors import CorruptStream


class Cursor:
    """Reads the fields of a header body or payload one after the other.

    Every method raises CorruptStream if the data ends within the field.
    """

    def __init__(self, data: bytes) -> None:
        self._data = data
        self._position = 0

    @property
    def left_bytes(self) -> int:
        """Bytes not read yet."""
        return len(self._data) - self._position

    def u8(self) -> int:
        """Reads one byte, 0 to 255."""
        return self.take(1)[0]

    def varint(self) -> int:
        """Reads an unsigned integer below 2**64."""
        value, self._position = read_varint(self._data, self._position)
        return value

    def svarint(self) -> int:
        """Reads a signed integer, -2**63 to 2**63 - 1."""
        return unzigzag(self.varint())

    def take(self, count: int) -> bytes:
        """Reads exactly `count` bytes."""
        if count > self.left_bytes:
            raise CorruptStream("the data ends within a field")
        start = self._position
        self._position += count
        return self._data[start : self._position]

    def sized(self, what: str, limit_bytes: int) -> bytes:
        """Reads a varint length and that many bytes.

        Raises:
            LimitExceeded: The length is above `limit_bytes`.
        """
        size_bytes = self.varint()
        check_size(what, size_bytes, limit_bytes)
        return self.take(size_bytes)

    def rest(self) -> bytes:
        """Reads all remaining bytes."""
        return self.take(self.left_bytes)

    def finish(self) -> None:
        """Raises CorruptStream unless all bytes were read."""
        if self.left_bytes:
            raise CorruptStream(f"{self.left_bytes} bytes too many")
