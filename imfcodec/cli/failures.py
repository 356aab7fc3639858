"""What ends a command becomes a line on stderr and an exit code."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Final

import click

from imfcodec.cli.options import wants_json
from imfcodec.cli.output import flush_results, show_error, silence_results
from imfcodec.errors import ImfcodecError

INTERRUPTED: Final = 130
TERMINATED: Final = 143
"""128 and the number of the signal, as shells have it."""


@contextmanager
def failures(ctx: click.Context) -> Iterator[None]:
    """Turn errors of the package and Ctrl-C into exit codes; bugs keep their traceback.

    Args:
        ctx: Context of the command or of a group around it.
    """
    try:
        yield
        # Here a pipe that broke is an error like others; at the interpreter's exit it is noise.
        flush_results()
    except ImfcodecError as error:
        silence_results()
        show_error(error, as_json=wants_json(ctx))
        ctx.exit(error.exit_code)
    except KeyboardInterrupt:
        silence_results()
        ctx.exit(INTERRUPTED)
