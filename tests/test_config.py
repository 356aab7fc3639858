from __future__ import annotations

from pathlib import Path

import pytest

import imfcodec
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


@pytest.mark.parametrize(
    ("field", "value"),
    [
        ("quantiser", "4"),
        ("quantiser", True),
        ("key_crf", 34.5),
        ("keyframe_interval_s", "3"),
        ("keyframe_interval_s", float("nan")),
        ("choose_keys", 1),
        ("audio", None),
        ("weights", 7),
        ("begin_s", None),
        ("threads", "two"),
    ],
)
def test_a_value_of_a_wrong_type_names_its_field(field: str, value: object) -> None:
    with pytest.raises(OptionError, match=field):
        EncodeOptions(**{field: value})


def test_an_unknown_option_names_what_may_be_meant(tmp_path: Path) -> None:
    with pytest.raises(OptionError, match="'qantiser'; did you mean 'quantiser'"):
        imfcodec.encode("a.mp4", tmp_path / "a.imf", qantiser=3)
    with pytest.raises(OptionError, match="there is no option 'x'"):
        imfcodec.decode("a.imf", tmp_path / "a.mp4", x=3)
    with pytest.raises(OptionError, match="source must be a path or a binary file, not 7"):
        imfcodec.encode(7, tmp_path / "a.imf")  # type: ignore[arg-type]
    with pytest.raises(OptionError, match="target must be"):
        imfcodec.decode("a.imf", None)  # type: ignore[arg-type]
