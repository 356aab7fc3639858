"""A digest of source files: what results depend on between two releases."""

from __future__ import annotations

import hashlib
from collections.abc import Iterable
from pathlib import Path

import imfcodec

PACKAGE = Path(imfcodec.__file__).parent


def source_digest(files: Iterable[Path]) -> str:
    """sha256 over names and contents of files of the package, hexadecimal."""
    digest = hashlib.sha256()
    for file in sorted(files):
        digest.update(f"{file.relative_to(PACKAGE).as_posix()}\0".encode())
        digest.update(file.read_bytes() + b"\0")
    return digest.hexdigest()
