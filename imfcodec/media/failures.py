"""Translates exceptions of PyAV and of files into ours: one function to read, one to write.

PyAV raises `FFmpegError`, sometimes also an `OSError`, `ValueError` or `LookupError`; file objects
raise `OSError`. Nothing else in the package translates them.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

from av.error import FFmpegError

from imfcodec.errors import ImfcodecError, InputUnreadable, OutputFailed


@contextmanager
def reading(name: str) -> Iterator[None]:
    """Translate the exceptions of a demuxer or an input file.

    Args:
        name: name of the input, with which the message begins.

    Raises:
        InputUnreadable: for every `FFmpegError`, `OSError` and `ValueError` from inside.
    """
    try:
        yield
    except ImfcodecError:
        raise
    except (FFmpegError, OSError, ValueError) as error:
        raise InputUnreadable(f"{name}: {_reason(error)}") from error


@contextmanager
def writing(name: str) -> Iterator[None]:
    """Translate the exceptions of an encoder, a muxer or an output file.

    Args:
        name: name of the output, with which the message begins.

    Raises:
        OutputFailed: for every `FFmpegError` and `OSError` from inside.
    """
    try:
        yield
    except ImfcodecError:
        raise
    except (FFmpegError, OSError) as error:
        raise OutputFailed(f"{name}: {_reason(error)}") from error


def _reason(error: Exception) -> str:
    return str(getattr(error, "strerror", None) or error)
