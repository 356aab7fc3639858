"""An error or a signal becomes a line on stderr and an exit code."""

from __future__ import annotations

import signal
from collections.abc import Iterator
from contextlib import contextmanager
from types import FrameType
from typing import Final

import click

from imfcodec.cli.options import wants_json
from imfcodec.cli.output import flush_results, show_error, show_json_error, silence_results
from imfcodec.errors import ImfcodecError, Stopped

SIGNALS: Final = {signal.SIGINT: "Interrupted (Ctrl-C).", signal.SIGTERM: "Terminated."}
"""Signals that stop a command and what they mean."""


def signal_exit_code(number: int) -> int:
    """The exit code of a program that a signal stopped, as in shells."""
    return 128 + number


def stop_on_signals() -> None:
    """Let the signals raise `Stopped`, except those that the caller ignores."""
    for number in SIGNALS:
        if signal.getsignal(number) is not signal.SIG_IGN:
            signal.signal(number, _stop)


@contextmanager
def failures(ctx: click.Context, *, as_json: bool = False) -> Iterator[None]:
    """Turn errors of the package and signals into exit codes; bugs keep their traceback.

    Args:
        ctx: Context of the command or of a group around it.
        as_json: Whether --json is among the words of the command, which may not be understood.
    """
    try:
        yield
        # A broken pipe is an error like any other here; at interpreter exit it is noise.
        flush_results()
    except ImfcodecError as error:
        silence_results()
        show_error(error, as_json=wants_json(ctx))
        ctx.exit(error.exit_code)
    except click.UsageError as error:
        if not (wants_json(ctx) or as_json):
            raise
        error.show()
        show_json_error("UsageError", error.format_message(), error.exit_code)
        ctx.exit(error.exit_code)
    except Stopped as stopped:
        silence_results()
        ctx.exit(signal_exit_code(stopped.number))
    except KeyboardInterrupt:
        silence_results()
        ctx.exit(signal_exit_code(signal.SIGINT))


def _stop(number: int, frame: FrameType | None) -> None:
    raise Stopped(number)
