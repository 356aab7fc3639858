from __future__ import annotations

import subprocess
import sys
from pathlib import Path

from imfcodec import bitstream

ROOT = Path(bitstream.__file__).parents[2]

PROBE = """
import sys
import imfcodec.bitstream
foreign = {name.partition(".")[0] for name in sys.modules} - sys.stdlib_module_names
print(*sorted(foreign - BEFORE - {"imfcodec"}))
"""


def test_only_the_standard_library_comes_in() -> None:
    """Also no torch, numpy or av; what the interpreter loads by itself does not count."""
    before = "import sys\nBEFORE = {name.partition('.')[0] for name in sys.modules}\n"
    run = subprocess.run(
        [sys.executable, "-c", before + PROBE], cwd=ROOT, capture_output=True, text=True, check=True
    )
    assert run.stdout.split() == []


def test_only_errors_of_the_package_come_in() -> None:
    probe = "import sys, imfcodec.bitstream; print(*(n for n in sys.modules if 'imfcodec.' in n))"
    run = subprocess.run(
        [sys.executable, "-c", probe], cwd=ROOT, capture_output=True, text=True, check=True
    )
    modules = [name for name in run.stdout.split() if not name.startswith("imfcodec.bitstream")]
    assert modules == ["imfcodec.errors"]
