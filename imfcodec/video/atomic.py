"""An output file that appears complete or not at all.

The bytes go to a hidden file in the folder of the target, so that the last step is a rename
inside one file system: atomic, and never over half a file. Devices, pipes and sockets cannot
be renamed over and are written in place.
"""

from __future__ import annotations

import os
import secrets
import stat
from contextlib import suppress
from pathlib import Path
from types import TracebackType
from typing import BinaryIO

from imfcodec.errors import OutputExists, OutputFailed
from imfcodec.video.failures import writing

_NAME_CHARS = 60
"""How much of the target's name the hidden name repeats; file systems cap names at 255 bytes."""


class AtomicOutput:
    """A binary file that takes its name only when it is complete.

    As a context manager it commits when the body succeeds and aborts when the body raises.
    Errors of `file` itself are plain `OSError`; wrap their use in `failures.writing`.

    Attributes:
        path: the target, symbolic links resolved.
        file: where to write; buffered, and seekable when the target is a regular file.
    """

    path: Path
    file: BinaryIO

    def __init__(self, path: str | Path, overwrite: bool = False) -> None:
        """Check the target and open the hidden file beside it.

        Args:
            path: the target.
            overwrite: whether an existing regular file may be replaced.

        Raises:
            OutputExists: the target exists and `overwrite` is false.
            OutputFailed: the target is a folder, or its folder is missing or not writable.
        """
        self._name = str(path)
        self._overwrite = overwrite
        self._finished = False
        # A rename onto a symbolic link would replace the link, not the file that it names.
        self.path = Path(os.path.realpath(path))
        self._temporary: Path | None = None
        with writing(self._name):
            mode = self._target_mode()
            if mode is None or stat.S_ISREG(mode):
                self._refuse_existing()
                self._temporary = self._hidden_name()
                self.file = self._create(self._temporary, mode)
            elif stat.S_ISDIR(mode):
                raise OutputFailed(f"{self._name}: is a folder")
            else:
                self.file = self.path.open("wb")

    def commit(self) -> None:
        """Flush, sync and rename: from here on the target is the new file.

        Raises:
            OutputExists: the target appeared meanwhile and may not be replaced.
            OutputFailed: the disk is full, or the rename is refused; nothing is left behind.
        """
        if self._finished:
            return
        try:
            with writing(self._name):
                self.file.flush()
                if self._temporary is not None:
                    os.fsync(self.file.fileno())
                self.file.close()
                if self._temporary is not None:
                    self._refuse_existing()
                    self._temporary.replace(self.path)
        except BaseException:
            self.abort()
            raise
        self._finished = True

    def abort(self) -> None:
        """Remove the hidden file; the target stays as it was. Never raises."""
        if self._finished:
            return
        self._finished = True
        # Closing flushes, which fails again on a full disk: the bytes are unwanted anyway.
        with suppress(OSError):
            self.file.close()
        if self._temporary is not None:
            with suppress(OSError):
                self._temporary.unlink()

    def __enter__(self) -> AtomicOutput:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        if kind is None:
            self.commit()
        else:
            self.abort()

    def _target_mode(self) -> int | None:
        try:
            return self.path.stat().st_mode
        except FileNotFoundError:
            return None

    def _refuse_existing(self) -> None:
        if not self._overwrite and self.path.exists():
            raise OutputExists(f"{self._name}: exists already; ask for overwriting to replace it")

    def _hidden_name(self) -> Path:
        name = self.path.name[:_NAME_CHARS]
        return self.path.with_name(f".{name}.{secrets.token_hex(4)}.part")

    @staticmethod
    def _create(path: Path, mode: int | None) -> BinaryIO:
        # The usual permissions (0o666 less the umask), not the private ones of `tempfile`;
        # a file that is replaced hands its own permissions on.
        descriptor = os.open(path, os.O_RDWR | os.O_CREAT | os.O_EXCL | _O_BINARY, 0o666)
        if mode is not None:
            with suppress(OSError):
                path.chmod(stat.S_IMODE(mode))
        return os.fdopen(descriptor, "wb")


_O_BINARY = getattr(os, "O_BINARY", 0)
