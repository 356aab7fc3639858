"""Every command and every option explains itself, and help comes at once."""

from __future__ import annotations

import dataclasses
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import click
import pytest

from imfcodec.cli.decode import decode
from imfcodec.cli.encode import EXPERTS, encode
from imfcodec.cli.main import COMMANDS, imfcodec
from imfcodec.cli.options import options_of
from imfcodec.config import LAYOUTS, DecodeOptions, EncodeOptions
from imfcodec.errors import ERRORS
from imfcodec.media import CONTAINERS, AudioMode

from .conftest import ROOT, Invoke


def commands(
    group: click.Group = imfcodec, *path: str
) -> Iterator[tuple[tuple[str, ...], click.Command]]:
    """Every command with the words that lead to it."""
    with click.Context(group) as ctx:
        for name in group.list_commands(ctx):
            command = group.get_command(ctx, name)
            assert command is not None
            yield (*path, name), command
            if isinstance(command, click.Group):
                yield from commands(command, *path, name)


ALL = dict(commands())


def options(command: click.Command) -> dict[str, click.Option]:
    return {str(p.name): p for p in command.params if isinstance(p, click.Option)}


@pytest.mark.parametrize("words", ALL, ids=" ".join)
def test_every_command_has_help(words: tuple[str, ...], invoke: Invoke) -> None:
    result = invoke(*words, "--help")
    assert result.exit_code == 0
    assert (ALL[words].help or "").strip().endswith(".")
    assert ALL[words].get_short_help_str(100).endswith(".")


@pytest.mark.parametrize("words", ALL, ids=" ".join)
def test_every_option_has_help(words: tuple[str, ...]) -> None:
    for name, option in options(ALL[words]).items():
        assert (option.help or "").endswith((".", ")", "k or 12000")), name


def test_options_for_experts_are_apart(invoke: Invoke) -> None:
    shown = {str(name) for name in options(encode)}
    assert set(EXPERTS) <= shown
    usual, experts = invoke("encode", "--help").stdout.split("Experts:\n")
    for name, option in options(encode).items():
        place = experts if name in EXPERTS else usual
        assert f"\n  {option.opts[0]}" in "\n" + place


def test_all_commands_are_there() -> None:
    assert {words[0] for words in ALL} == set(COMMANDS)
    nested = {tuple(words) for words in ALL if len(words) > 1}
    assert nested == {
        ("weights", "list"),
        ("weights", "verify"),
        ("weights", "path"),
        ("weights", "export"),
        ("train", "run"),
        ("train", "restoration"),
        ("train", "tokens"),
        ("train", "export"),
    }


@pytest.mark.parametrize(("command", "kind"), [(encode, EncodeOptions), (decode, DecodeOptions)])
def test_each_field_of_the_options_is_an_option_with_its_default(
    command: click.Command, kind: type[Any]
) -> None:
    shown = options(command)
    with click.Context(command) as ctx:
        defaults = {
            field.name: shown[field.name].get_default(ctx) for field in dataclasses.fields(kind)
        }
    assert kind(**defaults) == kind()
    batch = {"output_dir", "skip_existing", "jobs", "ray"}
    assert set(shown) - set(defaults) == {"json", "quiet", *batch}


def test_options_made_from_a_dataclass() -> None:
    @dataclasses.dataclass
    class Kind:
        """Options of a test.

        Attributes:
            path: Where it is; ``here`` is the
                default with `key_crf`.
            names: One each.
            fast: Do it fast.
        """

        path: str
        names: tuple[str, ...] = ()
        fast: bool = True

    made = options(options_of(Kind)(click.Command("test")))
    assert made["path"].help == "Where it is; here is the default with --key-crf."
    assert made["path"].required
    assert made["names"].multiple
    assert (made["fast"].opts, made["fast"].secondary_opts) == (["--fast"], ["--no-fast"])


def test_choices_are_those_of_the_package() -> None:
    for option, wanted in (
        (options(encode)["audio"], list(AudioMode)),
        (options(encode)["layout"], list(LAYOUTS)),
        (options(decode)["format"], list(CONTAINERS)),
    ):
        assert isinstance(option.type, click.Choice)
        assert list(option.type.choices) == wanted


def test_help_lists_every_exit_code(invoke: Invoke) -> None:
    text = " ".join(invoke("--help").stdout.split())
    for error in ERRORS:
        meaning = (error.__doc__ or "").partition("\n")[0]
        assert f"{error.exit_code} {meaning}" in text
    assert "130 Interrupted" in text


def test_version(invoke: Invoke) -> None:
    from imfcodec import __version__

    assert invoke("--version").stdout == f"imfcodec {__version__}\n"


def printed_without(heavy: set[str], words: list[str]) -> str:
    """What a command prints; it must import none of the heavy modules."""
    program = (
        "import sys\n"
        "from imfcodec.cli.main import imfcodec\n"
        f"imfcodec({words!r}, standalone_mode=False)\n"
        f"print(*({heavy!r} & sys.modules.keys()), file=sys.stderr)\n"
    )
    run = subprocess.run(
        [sys.executable, "-c", program], cwd=ROOT, capture_output=True, text=True, check=True
    )
    assert run.stderr.split() == []
    return run.stdout


@pytest.mark.parametrize("words", [(), ("encode",), ("weights", "verify"), ("demo",)], ids=str)
def test_help_imports_nothing_heavy(words: tuple[str, ...]) -> None:
    heavy = {"torch", "av", "numpy", "rich"}
    assert "Usage:" in printed_without(heavy, [*words, "--help"])


def test_info_imports_nothing_heavy(stream: Path) -> None:
    heavy = {"torch", "av", "numpy", "rich", "cv2"}
    assert "frames" in printed_without(heavy, ["info", str(stream)])
