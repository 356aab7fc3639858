"""Results to stdout, warnings and errors to stderr.

A command whose output file is "-" prints its results to stderr: stdout carries the stream. If
nobody reads stdout, printing raises `OutputFailed`.
"""

from __future__ import annotations

import json
import math
import os
import sys
from collections.abc import Iterable, Iterator, Mapping
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any

import click

from imfcodec.cli.options import is_quiet, wants_json
from imfcodec.errors import ImfcodecError, InputUnreadable, OptionError, OutputFailed

Row = tuple[str, str]
"""A label and what it labels."""

_GAP = "  "


def show_rows(rows: Iterable[Row], *, err: bool = False) -> None:
    """Print labelled values, one a line, the values below one another."""
    rows = list(rows)
    width = max((len(label) for label, _ in rows), default=0)
    with _printing():
        for label, value in rows:
            # Never wrapped: a path or a long list can then be copied or searched as one line.
            heading = click.style(f"{label:<{width}}", bold=True)
            click.echo(f"{heading}{_GAP}{encodable(value)}", err=err)


def show_columns(*tables: Iterable[tuple[str, ...]]) -> None:
    """Print tables with a blank line between them; the first row of each is its heading."""
    with _printing():
        for number, table in enumerate(tables):
            if number:
                click.echo()
            heading, *body = [tuple(map(encodable, row)) for row in table]
            widths = [max(map(len, cells)) for cells in zip(heading, *body, strict=True)]
            for cells in (heading, *body):
                padded = (f"{c:<{w}}" for c, w in zip(cells, widths, strict=True))
                click.echo(click.style(_GAP.join(padded).rstrip(), bold=cells is heading))


def show_lines(lines: Iterable[str]) -> None:
    """Print bare lines for other programs to read."""
    with _printing():
        for line in lines:
            click.echo(encodable(line))


def show_line(text: str) -> None:
    """Print a text as one line."""
    show_lines([_one_line(text)])


def show_json(record: Mapping[str, Any], *, err: bool = False) -> None:
    """Print one JSON object."""
    with _printing():
        click.echo(json.dumps(_finite(record), indent=2, allow_nan=False), err=err)


def show_result(
    record: Mapping[str, Any],
    rows: Iterable[Row],
    warnings: Iterable[str] = (),
    *,
    err: bool = False,
) -> None:
    """Print a record if --json was given, otherwise rows and warnings, or nothing if --quiet."""
    if wants_json():
        show_json(record, err=err)
    elif not is_quiet():
        show_rows(rows, err=err)
        show_warnings(warnings)


def show_warnings(messages: Iterable[str]) -> None:
    """Print warnings to stderr, one a line."""
    with suppress(OSError):
        for message in messages:
            click.echo(f"imfcodec: warning: {_one_line(message)}", err=True)


def left_out(reasons: Mapping[str, str]) -> list[str]:
    """What is left out and why: one warning for each reason, not for each name."""
    names: dict[str, list[str]] = {}
    for name, reason in reasons.items():
        names.setdefault(reason, []).append(name)
    return [f"{', '.join(group)} left out: {reason}" for reason, group in names.items()]


def show_error(error: ImfcodecError, *, as_json: bool) -> None:
    """Print an error to stderr: a line for people, then a JSON line if asked for."""
    message = _one_line(str(error))
    with suppress(OSError):
        click.echo(f"imfcodec: error: {message}", err=True)
    if as_json:
        show_json_error(type(error).__name__, message, error.exit_code)


def show_json_error(kind: str, message: str, exit_code: int) -> None:
    """Print an error to stderr as one line of JSON."""
    record = {"error": kind, "message": _one_line(message), "exit_code": exit_code}
    with suppress(OSError):
        click.echo(json.dumps(record), err=True)


def check_standard_streams(source: str, target: str | None = None) -> None:
    """Check that the standard streams that "-" stands for can be used.

    Raises:
        InputUnreadable: Standard input is needed but closed.
        OutputFailed: Standard output is needed but closed.
        OptionError: Standard output is a terminal, which cannot show a binary stream.
    """
    if source == "-" and sys.stdin is None:
        raise InputUnreadable("standard input is closed")
    if target == "-":
        if sys.stdout is None:
            raise OutputFailed("standard output is closed")
        if sys.stdout.isatty():
            raise OptionError("standard output is a terminal: redirect it or name a file")


def flush_results() -> None:
    """Write out what stdout still holds."""
    if sys.stdout is not None:
        with _printing():
            sys.stdout.flush()


def silence_results() -> None:
    """Drop what a broken stdout still holds; Python would otherwise complain at exit."""
    try:
        flush_results()
    except OutputFailed:
        with suppress(OSError, ValueError):
            nowhere = os.open(os.devnull, os.O_WRONLY)
            os.dup2(nowhere, sys.stdout.fileno())
            os.close(nowhere)


def make_folder(folder: Path) -> None:
    """Create a folder for outputs if it is missing.

    Raises:
        OutputFailed: It cannot be created.
    """
    try:
        folder.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise OutputFailed(f"{folder}: {error.strerror or error}") from error


def encodable(text: str) -> str:
    """The text without what stdout cannot encode: file names may hold any bytes."""
    encoding = getattr(sys.stdout, "encoding", None) or "utf-8"
    return text.encode(encoding, "replace").decode(encoding)


@contextmanager
def _printing() -> Iterator[None]:
    try:
        yield
    except OSError as error:
        raise OutputFailed(f"standard output: {error.strerror or error}") from error


def _one_line(message: str) -> str:
    return " ".join(message.split())


def _finite(value: Any) -> Any:
    """JSON has no infinity and no NaN: None stands for both."""
    match value:
        case float():
            return value if math.isfinite(value) else None
        case Mapping():
            return {key: _finite(item) for key, item in value.items()}
        case list() | tuple():
            return [_finite(item) for item in value]
    return value
