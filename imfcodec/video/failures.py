"""Foreign exceptions become ours at two doors: one for reading, one for writing.

PyAV raises `FFmpegError` (some of which are also `OSError`, `ValueError` or `LookupError`),
file objects raise `OSError`. Nothing else in the package catches them for translation.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

from av.error import FFmpegError

from imfcodec.errors import ImfcodecError, InputUnreadable, OutputFailed


@contextmanager
def reading(name: str) -> Iterator[None]:
    """Translate whatever a demuxer or an input file raises.

    Args:
        name: what the user calls the input; it opens the message.

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
    """Translate whatever an encoder, a muxer or an output file raises.

    Args:
        name: what the user calls the output; it opens the message.

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
