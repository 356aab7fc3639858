"""What makes the runs of these tests shorter."""

from __future__ import annotations

import pytest

from imfcodec.training import discriminator, loop
from tests.training.samples import SMALL_JUDGE, NoMeter


@pytest.fixture(autouse=True)
def smaller(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> None:
    """No run counts its operations or has a large discriminator, but the one of all promises."""
    if "promises" not in request.node.name:
        monkeypatch.setattr(loop, "FlopMeter", NoMeter)
        monkeypatch.setattr(discriminator, "CHANNELS", SMALL_JUDGE)
