"""What makes the runs of these tests shorter."""

from __future__ import annotations

import pytest

from imfcodec.training import discriminator, loop, utilisation
from tests.training.samples import SMALL_JUDGE, NoMeter


@pytest.fixture(autouse=True)
def smaller(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> None:
    """Only the run of all promises counts operations, times large products, and judges well."""
    if "promises" not in request.node.name:
        monkeypatch.setattr(loop, "FlopMeter", NoMeter)
        monkeypatch.setitem(utilisation.SIDE, "cpu", 64)
        monkeypatch.setattr(discriminator, "CHANNELS", SMALL_JUDGE)
