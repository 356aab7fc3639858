from __future__ import annotations

import dataclasses
from pathlib import Path
from typing import Any

import pytest

import imfcodec
from imfcodec.config import EFFORTS, NO_LIMIT_S, Effort, EncodeOptions
from imfcodec.errors import OptionError
from imfcodec.quality import OperatingPoint


def test_a_preset_sets_what_no_other_option_sets() -> None:
    assert EncodeOptions().effort == EFFORTS["default"]
    assert EncodeOptions(latency="low").effort == EFFORTS["live"]
    fields = [field.name for field in dataclasses.fields(Effort)]
    for name, effort in EFFORTS.items():
        options = EncodeOptions(preset=name)
        assert options.effort == effort
        for own in EFFORTS.values():
            for field in fields:
                value = getattr(own, field)
                given = dataclasses.replace(options, **{field: value})
                assert given.effort == dataclasses.replace(effort, **{field: value})
    with pytest.raises(OptionError, match="live, fast, default, best"):
        EncodeOptions(preset="slow")


def test_presets_from_fast_to_slow() -> None:
    steps = [effort.refine for effort in EFFORTS.values()]
    assert steps == sorted(steps)
    av1 = [effort.key_preset for effort in EFFORTS.values()]
    assert av1 == sorted(av1, reverse=True)
    assert [effort.latency for effort in EFFORTS.values()] == ["low", "normal", "normal", "normal"]


def test_key_preset_of_options() -> None:
    for preset in (-2, 14):
        with pytest.raises(OptionError, match="preset"):
            EncodeOptions(key_preset=preset)


@pytest.mark.parametrize(
    ("field", "value"),
    [
        ("quantiser", "4"),
        ("quantiser", True),
        ("key_crf", "34.5"),
        ("quality", float("nan")),
        ("bitrate", 5000.0),
        ("max_size", float("nan")),
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


def test_quality_sets_what_no_other_option_sets() -> None:
    assert EncodeOptions().point == OperatingPoint(34.0, 4, 3.0)
    assert EncodeOptions(quality=20).point == OperatingPoint(46.0, 6, 5.0)
    options = EncodeOptions(quality=20, quantiser=4)
    assert options.point == OperatingPoint(46.0, 4, 5.0)
    options = EncodeOptions(key_crf=30.25, keyframe_interval_s=NO_LIMIT_S)
    assert options.point == OperatingPoint(30.25, 4, NO_LIMIT_S)


@pytest.mark.parametrize(
    "options",
    [
        {"quality": -0.1},
        {"quality": 100.5},
        {"bitrate": 0},
        {"bitrate": 5},
        {"max_size": 10},
        {"bitrate": -5000},
        {"bitrate": 10**13},
        {"max_size": 0},
        {"max_size": 10**400},
        {"bitrate": 5000, "max_size": 10**6},
        {"with_sound": True},
        {"max_size": 10**6, "with_sound": True},
        {"bitrate": 5000, "key_crf": 34},
        {"bitrate": 5000, "quantiser": 4},
        {"max_size": 5000, "keyframe_interval_s": 3.0},
        {"bitrate": 5000, "latency": "low", "min_quality": 10.0},
        {"max_size": 5000, "latency": "low"},
    ],
    ids=str,
)
def test_options_that_cannot_be_met(options: dict[str, Any]) -> None:
    with pytest.raises(OptionError):
        EncodeOptions(**options)


def test_an_unknown_option_names_what_may_be_meant(tmp_path: Path) -> None:
    with pytest.raises(OptionError, match="'qantiser'; did you mean 'quantiser'"):
        imfcodec.encode("a.mp4", tmp_path / "a.imf", qantiser=3)
    with pytest.raises(OptionError, match="there is no option 'x'"):
        imfcodec.decode("a.imf", tmp_path / "a.mp4", x=3)
    with pytest.raises(OptionError, match="source must be a path or a binary file, not 7"):
        imfcodec.encode(7, tmp_path / "a.imf")  # type: ignore[arg-type]
    with pytest.raises(OptionError, match="target must be"):
        imfcodec.decode("a.imf", None)  # type: ignore[arg-type]
