"""Options that several commands share."""

from __future__ import annotations

from typing import Final

import click

_JSON: Final = "imfcodec.json"


def wants_json(ctx: click.Context) -> bool:
    """Whether the command in this context, or in one nested in it, was given --json."""
    return bool(ctx.meta.get(_JSON))


def _remember(ctx: click.Context, parameter: click.Parameter, value: bool) -> bool:
    # Nested contexts share `meta`: errors are reported outside of the command.
    ctx.meta[_JSON] = value
    return value


json_option = click.option(
    "--json",
    "as_json",
    is_flag=True,
    # Before the others, so that an error in their values is already reported as JSON.
    is_eager=True,
    callback=_remember,
    help="Print the result as one JSON object, and an error as one on the last line of stderr.",
)
quiet_option = click.option(
    "-q", "--quiet", is_flag=True, help="Print only errors, and the result if --json is given."
)
overwrite_option = click.option("--overwrite", is_flag=True, help="Replace existing output.")
