from __future__ import annotations

import pytest

from imfcodec.config import EncodeOptions
from imfcodec.errors import OptionError


def test_key_preset_of_options() -> None:
    assert EncodeOptions().preset == 0
    assert EncodeOptions(latency="low").preset == 2
    assert EncodeOptions(latency="low", key_preset=7).preset == 7
    assert EncodeOptions(key_preset=-1).preset == -1
    for preset in (-2, 14):
        with pytest.raises(OptionError, match="preset"):
            EncodeOptions(key_preset=preset)
