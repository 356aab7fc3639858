"""The interface of an output format, and the gate that writes its bytes."""

from __future__ import annotations

from typing import BinaryIO, Protocol

from imfcodec.media.convert import Rgb
from imfcodec.media.failures import writing


class PictureSink(Protocol):
    """Takes pictures and sound in one output format."""

    warnings: list[str]

    def picture(self, pts: int, duration: int, rgb: Rgb) -> None:
        """Take the next picture; times in ticks of the writer's time base."""
        ...

    def sound(self, pts: int, data: bytes, duration: int) -> None:
        """Take the next Opus packet; pts and duration in samples at 48 kHz."""
        ...

    def finish(self) -> None:
        """Write pending data and the end of the format."""
        ...


class Gate:
    """A file object that writes everything or raises `OutputFailed`, until it is shut.

    libav ignores short writes. PyAV writes a container's trailer when it collects an abandoned
    container; the attribute `closed` of a shut gate prevents that.
    """

    def __init__(self, file: BinaryIO, name: str) -> None:
        """Wrap a file.

        Args:
            file: binary, writable; stays open.
            name: name of the file in messages.
        """
        self.closed = False
        self._file = file
        self._name = name

    def write(self, data: bytes) -> int:
        """Write all of `data`; the return value is its length."""
        with writing(self._name):
            rest = memoryview(data)
            while rest:
                # Unbuffered files may take less; a full non-blocking pipe takes None.
                rest = rest[self._file.write(rest) or 0 :]
        return len(data)

    def flush(self) -> None:
        """Pass all data to the operating system."""
        with writing(self._name):
            self._file.flush()

    def seek(self, offset: int, whence: int = 0) -> int:
        """Move as `io.IOBase.seek` does."""
        with writing(self._name):
            return self._file.seek(offset, whence)

    def tell(self) -> int:
        """Position in bytes."""
        return self._file.tell()

    def seekable(self) -> bool:
        """Whether `seek` works."""
        return self._file.seekable()

    def writable(self) -> bool:
        """Whether `write` works: always."""
        return True

    def shut(self) -> None:
        """Declare the gate closed; PyAV then writes nothing more."""
        self.closed = True
