"""The group of all commands."""

from __future__ import annotations

import textwrap
from importlib import import_module
from typing import Any

import click

from imfcodec import __version__
from imfcodec.cli.failures import SIGNALS, failures, signal_exit_code, stop_on_signals
from imfcodec.cli.startup import share_one_heap
from imfcodec.errors import ERRORS

COMMANDS = ("encode", "decode", "info", "weights", "demo", "compare", "bench", "prepare", "train")
"""In the order of the help text. Command X is the function X of the module X."""


class CommandGroup(click.Group):
    """Imports a command's module only when it is needed; turns every failure into an exit code."""

    def list_commands(self, ctx: click.Context) -> list[str]:
        """Names of all commands."""
        return list(COMMANDS)

    def get_command(self, ctx: click.Context, cmd_name: str) -> click.Command | None:
        """The command of a name, or None."""
        if cmd_name not in COMMANDS:
            return None
        command: click.Command = getattr(import_module(f"imfcodec.cli.{cmd_name}"), cmd_name)
        return command

    def invoke(self, ctx: click.Context) -> Any:
        """Run a command; an error or a signal becomes an exit code."""
        words = [*ctx._protected_args, *ctx.args]
        with failures(ctx, as_json="--json" in words):
            return super().invoke(ctx)


def exit_codes() -> str:
    """A table of every exit code with its meaning."""
    meanings = [
        (0, "Success."),
        *((error.exit_code, (error.__doc__ or "").partition("\n")[0]) for error in ERRORS),
        *((signal_exit_code(number), meaning) for number, meaning in SIGNALS.items()),
    ]
    rows = (
        textwrap.fill(meaning, 78, initial_indent=f"  {code:3}  ", subsequent_indent=" " * 7)
        for code, meaning in meanings
    )
    # \b keeps click from rewrapping the lines.
    return "\n".join(("\b", "Exit codes:", *rows))


@click.group(
    cls=CommandGroup,
    epilog=exit_codes(),
    context_settings={"help_option_names": ["-h", "--help"]},
)
@click.version_option(__version__, prog_name="imfcodec", message="%(prog)s %(version)s")
def imfcodec() -> None:
    """A neural video codec for talking heads.

    A key frame is sent as a picture, every other frame as a token of a few dozen bits. The
    receiver's network rebuilds each frame from a key frame and a token.
    """


def main() -> None:
    """Entry point of the `imfcodec` script."""
    share_one_heap()
    stop_on_signals()
    imfcodec(prog_name="imfcodec")
