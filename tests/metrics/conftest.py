"""Model files that are not in the repository."""

from __future__ import annotations

from pathlib import Path

import pytest


@pytest.fixture(scope="session")
def metrics_folder(data: Path) -> Path:
    """Networks and pictures that metrics are checked with; tests are marked ``data``."""
    folder = data.parent / "metrics"
    if not folder.is_dir():
        pytest.skip(f"no folder {folder}")
    return folder
