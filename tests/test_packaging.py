"""What is declared agrees with what is there. Building a wheel would show it too, but slowly."""

from __future__ import annotations

import importlib
import re
import tomllib
from pathlib import Path

import pytest
from packaging.requirements import Requirement
from packaging.specifiers import SpecifierSet

import imfcodec
from imfcodec import weights

ROOT = Path(__file__).parents[1]
PACKAGE = ROOT / "imfcodec"
DECLARED = tomllib.loads((ROOT / "pyproject.toml").read_text())
PROJECT = DECLARED["project"]
DATA = DECLARED["tool"]["setuptools"]["package-data"]


def test_the_tests_run_on_this_checkout() -> None:
    assert Path(imfcodec.__file__).parent == PACKAGE


def test_the_changelog_begins_with_this_version() -> None:
    head = re.search(r"^## (\S+)", (ROOT / "CHANGELOG.md").read_text(), re.MULTILINE)
    assert head is not None
    assert head[1] == PROJECT["version"] == imfcodec.__version__


@pytest.mark.parametrize("pattern", DATA["imfcodec"])
def test_every_data_pattern_finds_a_file(pattern: str) -> None:
    assert list(PACKAGE.glob(pattern))


def test_no_file_of_the_package_stays_behind() -> None:
    carried = {path for pattern in DATA["imfcodec"] for path in PACKAGE.glob(pattern)}
    files = {path for path in PACKAGE.rglob("[!.]*") if path.is_file()}
    assert {path for path in files if path.suffix not in (".py", ".pyc")} == carried


def test_every_folder_of_code_is_a_package() -> None:
    """Others would be missing from the wheel: setup.py does not look for namespaces."""
    folders = {path.parent for path in PACKAGE.rglob("*.py")}
    assert [folder for folder in folders if not (folder / "__init__.py").is_file()] == []


def test_no_released_weight_stays_behind() -> None:
    released = ROOT / "weights"
    carried = {
        path for pattern in DATA["imfcodec.released_weights"] for path in released.glob(pattern)
    }
    assert set(released.glob("[!.]*")) == carried


def test_weights_are_looked_for_where_the_wheel_has_them() -> None:
    assert PACKAGE / "released_weights" in weights.folders()
    assert ROOT / "weights" in weights.folders()


def test_the_pinned_versions_are_allowed_and_complete() -> None:
    lines = (ROOT / "constraints.txt").read_text().splitlines()
    pins = [Requirement(line) for line in lines if line and not line.startswith("#")]
    pinned = {pin.name: next(iter(pin.specifier)).version.removesuffix(".*") for pin in pins}
    extras = PROJECT["optional-dependencies"]
    for line in [*PROJECT["dependencies"], *extras["demo"], *extras["dev"], *extras["train"]]:
        wanted = Requirement(line)
        assert wanted.specifier.contains(pinned[wanted.name]), line


def test_the_tools_look_for_the_oldest_python() -> None:
    oldest = DECLARED["tool"]["mypy"]["python_version"]
    assert SpecifierSet(PROJECT["requires-python"]) == SpecifierSet(f">={oldest}")
    assert DECLARED["tool"]["ruff"]["target-version"] == f"py{oldest.replace('.', '')}"


def test_the_command_exists() -> None:
    module, function = PROJECT["scripts"]["imfcodec"].split(":")
    assert callable(getattr(importlib.import_module(module), function))
