"""What the README tells people to type works."""

from __future__ import annotations

import os
import re
import shlex
import shutil
import subprocess
import sys
from pathlib import Path

import click
import pytest

from imfcodec.cli.main import imfcodec

ROOT = Path(__file__).parents[1]
README = (ROOT / "README.md").read_text()


def commands() -> list[list[str]]:
    """The words of every `imfcodec` line, continued lines joined, comments left out."""
    text = README.replace("\\\n", " ")
    lines = re.findall(r"^    (imfcodec .*)$", text, re.MULTILINE)
    return [shlex.split(re.sub(r"\$\(.*?\)", "FILES", line), comments=True) for line in lines]


@pytest.mark.parametrize("words", commands(), ids=" ".join)
def test_commands_and_options_exist(words: list[str]) -> None:
    command: click.Command = imfcodec
    rest = words[1:]
    with click.Context(imfcodec) as ctx:
        while isinstance(command, click.Group):
            name = rest[0] if rest and command.get_command(ctx, rest[0]) else "run"
            rest = rest[1:] if name != "run" or rest[:1] == ["run"] else rest
            found = command.get_command(ctx, name)
            assert found is not None, name
            command = found
    known = {opt for param in command.params for opt in (*param.opts, *param.secondary_opts)}
    assert {word for word in rest if word.startswith("--")} <= known


def test_the_python_snippet_runs_as_written(small_video: Path, tiny_folder: Path) -> None:
    (snippet,) = re.findall(r"```python\n(.*?)```", README, re.DOTALL)
    folder = small_video.parent
    shutil.copy(small_video, folder / "talk.mp4")
    (tiny,) = tiny_folder.glob("*.safetensors")
    shutil.copy(tiny, folder / tiny.name)
    weights_id = tiny.stem.rpartition("-")[2]
    manifest = f'{{"weights": [{{"id": "{weights_id}", "default": true}}]}}'
    (folder / "manifest.json").write_text(manifest)
    environment = {**os.environ, "PYTHONPATH": str(ROOT), "IMFCODEC_WEIGHTS": str(folder)}
    for _ in range(2):  # a second time as well
        run = subprocess.run(
            [sys.executable, "-c", snippet],
            cwd=folder,
            env=environment,
            capture_output=True,
            text=True,
            check=False,
        )
        assert run.returncode == 0, run.stderr
        assert run.stdout.startswith("12 frames, ")
        assert "12 frames decoded" in run.stdout


def test_links_lead_somewhere() -> None:
    for target in re.findall(r"\]\((?!https?://)([^)#]+)\)", README):
        assert (ROOT / target).exists(), target


@pytest.mark.parametrize("path", ["README.md", "CHANGELOG.md", "CONTRIBUTING.md"])
def test_lines_are_of_one_width(path: str) -> None:
    for line in (ROOT / path).read_text().splitlines():
        assert len(line) <= 100 or "https://" in line, line
