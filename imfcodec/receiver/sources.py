"""Files, pipes and standard input as sources of a stream."""

from __future__ import annotations

import sys
from contextlib import ExitStack
from pathlib import Path
from typing import BinaryIO

from imfcodec.errors import InputUnreadable


def open_stream(source: str | Path | BinaryIO, stack: ExitStack) -> BinaryIO:
    """Open a path, or take "-" (standard input) or a binary file object.

    What is opened here has no buffer: a thread that waits for data in a buffer holds a lock, which
    would keep the program from closing the file, or from ending.

    Raises:
        InputUnreadable: The path cannot be opened.
    """
    if not isinstance(source, str | Path):
        return source
    if source == "-":
        if sys.stdin is None:
            raise InputUnreadable("standard input is closed")
        return getattr(sys.stdin.buffer, "raw", sys.stdin.buffer)
    try:
        return stack.enter_context(Path(source).open("rb", buffering=0))
    except OSError as error:
        raise InputUnreadable(f"{source}: {error.strerror}") from error
