"""Options that several commands share, and options made from the fields of a dataclass."""

from __future__ import annotations

import dataclasses
import inspect
import re
import sys
from collections.abc import Callable
from pathlib import Path
from types import NoneType
from typing import Any, Final, TypeVar, get_args, get_origin, get_type_hints

import click

Options = TypeVar("Options")
Command = TypeVar("Command", bound=Callable[..., Any])

PATH: Final = click.Path(path_type=Path)


def names(value: str) -> tuple[str, ...]:
    """Comma-separated names."""
    found = tuple(name.strip() for name in value.split(",") if name.strip())
    if not found:
        raise click.BadParameter("names nothing")
    return found


def wants_json(ctx: click.Context | None = None) -> bool:
    """Whether the command in a context, or in one nested in it, was given --json."""
    return _given("json", ctx)


def is_quiet() -> bool:
    """Whether the running command was given --quiet."""
    return _given("quiet")


def shows_progress() -> bool:
    """Whether the command shows its progress on stderr; worker processes run no command."""
    if click.get_current_context(silent=True) is None or wants_json() or is_quiet():
        return False
    return sys.stderr is not None and sys.stderr.isatty()


def _given(flag: str, ctx: click.Context | None = None) -> bool:
    ctx = ctx or click.get_current_context(silent=True)
    return ctx is not None and bool(ctx.meta.get(f"imfcodec.{flag}"))


def _remember(ctx: click.Context, parameter: click.Parameter, value: bool) -> None:
    # Nested contexts share `meta`: errors are reported outside of the command.
    ctx.meta[f"imfcodec.{parameter.name}"] = value


json_option = click.option(
    "--json",
    is_flag=True,
    # Before the others, so that an error in their values is already reported as JSON.
    is_eager=True,
    callback=_remember,
    expose_value=False,
    help="Print the result as one JSON object, and an error as one on the last line of stderr.",
)
quiet_option = click.option(
    "-q",
    "--quiet",
    is_flag=True,
    callback=_remember,
    expose_value=False,
    help="Print only errors, and the result if --json is given.",
)
overwrite_option = click.option("--overwrite", is_flag=True, help="Replace existing output.")


def options_of(kind: type[Any], **changes: dict[str, Any]) -> Callable[[Command], Command]:
    """An option for each field of a dataclass, with the field's name, type and default.

    The help is what the class's docstring says of the field. A field's name in single backticks
    becomes its option there; double backticks are dropped. A field without a default is a required
    option, a tuple an option that may be repeated, and a bool whose default is not false a pair
    --x/--no-x.

    Args:
        kind: The dataclass.
        changes: Arguments of `click.option` by field, instead of those; "flag" names the option.
    """
    types = get_type_hints(kind)
    _, _, attributes = inspect.cleandoc(kind.__doc__ or "").partition("Attributes:\n")
    descriptions = dict(re.findall(r"^ {4}(\w+): (.*(?:\n {8}.*)*)", attributes, re.MULTILINE))

    def decorate(command: Command) -> Command:
        for field in reversed(dataclasses.fields(kind)):
            own = dict(changes.get(field.name, {}))
            text = " ".join(descriptions.get(field.name, "").split())
            settings = {
                "help": _names_as_flags(text).replace("``", ""),
                "required": field.default is dataclasses.MISSING,
                "multiple": get_origin(types[field.name]) is tuple,
            }
            if not settings["required"]:
                settings["default"] = field.default
                settings["show_default"] = field.default not in (None, False, ())
            flag = own.pop("flag", _flag(field.name))
            settings["type"] = _plain_type(types[field.name])
            if settings["type"] is bool:
                settings["is_flag"] = True
                flag += "" if field.default is False else f"/{_flag('no_' + field.name)}"
            command = click.option(flag, field.name, **{**settings, **own})(command)
        return command

    return decorate


def take(kind: type[Options], options: dict[str, Any]) -> Options:
    """Take the fields of a dataclass out of the options of a command."""
    names = [field.name for field in dataclasses.fields(kind)]  # type: ignore[arg-type]
    return kind(**{name: options.pop(name) for name in names})


def _names_as_flags(text: str) -> str:
    return re.sub(r"(?<!`)`(\w+)`(?!`)", lambda match: _flag(match[1]), text)


def _flag(name: str) -> str:
    return f"--{name.replace('_', '-')}"


def _plain_type(hint: Any) -> Any:
    """The type of a field that may also be None, or of the parts of a tuple, as click takes it."""
    kinds = [kind for kind in get_args(hint) if kind not in (NoneType, ...)] or [hint]
    return PATH if kinds[0] is Path else kinds[0]
