"""What is said of the machine and of the code."""

from __future__ import annotations

import os
import re
import subprocess
from importlib.metadata import version
from pathlib import Path

import pytest

import imfcodec
from imfcodec.bench.environment import commit, library_versions, machine


def git(folder: Path, *args: str) -> str:
    identity = ("-c", "user.name=x", "-c", "user.email=x@example.org")
    command = ["git", "-C", str(folder), *identity, *args]
    return subprocess.run(command, check=True, capture_output=True, text=True).stdout.strip()


def test_the_commit_of_a_checkout(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    for name in [name for name in os.environ if name.startswith("GIT_")]:
        monkeypatch.delenv(name)
    package = tmp_path / "package"
    package.mkdir()
    (package / "__init__.py").write_text("")
    assert commit(package) is None
    git(tmp_path, "init")
    # A package that merely lies inside of a checkout, as in a virtual environment there.
    assert commit(package) is None
    git(tmp_path, "add", "package")
    git(tmp_path, "commit", "-m", "first")
    head = git(tmp_path, "rev-parse", "HEAD")
    assert re.fullmatch("[0-9a-f]{40}", head)
    assert commit(package) == head
    (package / "new.py").write_text("")
    assert commit(package) == f"{head}-dirty"


def test_versions() -> None:
    found = library_versions()
    assert found["imfcodec"] == imfcodec.__version__
    assert found["torch"] == version("torch")
    assert re.fullmatch(r"\d+\.\d+\.\d+", found["libavcodec"])


def test_the_machine() -> None:
    assert f"{os.cpu_count()} cores" in machine()
