"""An output file that appears complete or not at all.

The bytes go to a hidden file in the folder of the target. The last step is then a rename within
one file system, which is atomic. Devices, pipes and sockets cannot be replaced by a rename; they
are written in place.
"""

from __future__ import annotations

import os
import secrets
import stat
import sys
from contextlib import suppress
from pathlib import Path
from types import TracebackType
from typing import BinaryIO

from imfcodec.errors import OptionError, OutputExists, OutputFailed
from imfcodec.media.failures import writing

_NAME_CHARS = 60
"""Characters of the target's name in the hidden name; file systems limit names to 255 bytes."""


def check_files(
    source: str | Path | BinaryIO, target: str | Path | BinaryIO, *, overwrite: bool
) -> None:
    """Refuse what is no path or file, and a target that is the source or that exists.

    Args:
        source: path, "-" for standard input, or a file object.
        target: path, "-" for standard output, or a file object.
        overwrite: whether an existing file may be replaced.

    Raises:
        OptionError: both are one file, by whatever name, or one is no path and no file.
        OutputExists: the target exists and `overwrite` is false.
    """
    for field, value, needed in (("source", source, "read"), ("target", target, "write")):
        if not isinstance(value, str | Path) and not hasattr(value, needed):
            raise OptionError(f"{field} must be a path or a binary file, not {value!r}")
    if not isinstance(target, str | Path) or target == "-":
        return
    with suppress(OSError, ValueError, AttributeError):
        if source == "-":
            held = os.fstat(sys.stdin.fileno())
        elif isinstance(source, str | Path):
            held = Path(source).stat()
        else:
            held = os.fstat(source.fileno())
        if stat.S_ISREG(held.st_mode) and os.path.samestat(held, Path(target).stat()):
            raise OptionError(f"{target}: input and output are the same file")
    with suppress(OSError):
        if not overwrite and stat.S_ISREG(Path(target).stat().st_mode):
            raise OutputExists(exists_message(target))


def exists_message(target: str | Path) -> str:
    """What to say of a file that may not be replaced."""
    return f"{target} exists already; use --overwrite to replace it"


class AtomicOutput:
    """A binary file that takes its name only when it is complete.

    As a context manager it commits when the body succeeds and aborts when the body raises.
    Errors of `file` itself are plain `OSError`; wrap their use in `failures.writing`.

    Attributes:
        path: the target, with symbolic links resolved.
        file: the file to write to; buffered, and seekable if the target is a regular file.
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
        """Flush, sync and rename; the target is then the new file.

        Raises:
            OutputExists: the target has appeared in the meantime and may not be replaced.
            OutputFailed: the disk is full, or the rename is refused; no file remains.
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
        """Remove the hidden file; the target stays unchanged. Never raises."""
        if self._finished:
            return
        self._finished = True
        # Closing flushes, which fails again on a full disk; the bytes are not needed.
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
            raise OutputExists(exists_message(self._name))

    def _hidden_name(self) -> Path:
        name = self.path.name[:_NAME_CHARS]
        return self.path.with_name(f".{name}.{secrets.token_hex(4)}.part")

    @staticmethod
    def _create(path: Path, mode: int | None) -> BinaryIO:
        # The usual permissions (0o666 less the umask), not the private ones of `tempfile`;
        # a replaced file passes on its own permissions.
        descriptor = os.open(path, os.O_RDWR | os.O_CREAT | os.O_EXCL | _O_BINARY, 0o666)
        if mode is not None:
            with suppress(OSError):
                path.chmod(stat.S_IMODE(mode))
        return os.fdopen(descriptor, "wb")


_O_BINARY = getattr(os, "O_BINARY", 0)
