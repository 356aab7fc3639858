from __future__ import annotations

import pickle  # noqa: TID251  what worker processes are sent

import pytest

from imfcodec.bench.codecs.lineup import DEFAULT, lineup
from imfcodec.config import EFFORTS
from imfcodec.errors import OptionError


def names(*chosen: str) -> list[str]:
    return [codec.name for codec in lineup(chosen)]


def test_names_and_labels_are_unique() -> None:
    codecs = lineup(["*"])
    assert len({c.name for c in codecs}) == len({c.label for c in codecs}) == len(codecs)
    assert not any(" " in c.name for c in codecs)


def test_sizes_and_rates_of_svt_av1_are_one_family() -> None:
    codecs = lineup(["svtav1-ra-p2*"])
    assert len(codecs) == 6
    assert {c.family for c in codecs} == {"SVT-AV1 preset 2, random access"}
    assert len({c.family for c in lineup(["svtav1"])}) == 4


def test_an_exact_name_is_one_curve() -> None:
    assert names("svtav1-ra-p2") == ["svtav1-ra-p2"]


def test_shorthand_and_pattern() -> None:
    assert len(names("svtav1")) == 24
    assert names("svtav1-ld") == names("svtav1-ld-*")
    assert names("x265", "frozen") == ["frozen", "x265-veryslow"]
    assert names("x265", "x26*") == names("x26*")


def test_part_of_a_word_selects_nothing() -> None:
    with pytest.raises(OptionError, match=r"no codec 'svt'; there are .*svtav1-ra-p2"):
        lineup(["svt"])


def test_default() -> None:
    codecs = lineup()
    assert {c.role for c in codecs} == {"ours", "anchor", "floor"}
    assert len(codecs) == len(DEFAULT)
    assert lineup([]) == ()


def test_every_ladder_has_enough_points_for_a_curve() -> None:
    for codec in lineup(["*"]):
        assert 4 <= len(set(codec.settings)) == len(codec.settings)


def test_codecs_travel_to_other_processes() -> None:
    for codec in lineup(["*"]):
        assert pickle.loads(pickle.dumps(codec)) == codec


def test_several_weights_are_several_codecs(tiny_weights: str) -> None:
    codecs = lineup(["imf-fast"], weights=[tiny_weights, "other", tiny_weights])
    assert len(codecs) == 2
    assert codecs[0].name.startswith("imf-fast-tiny-")
    assert len(lineup(["imf"], weights=[tiny_weights, "other"])) == 2 * len(EFFORTS)


def test_threads_reach_every_codec() -> None:
    for codec, more in zip(lineup(["*"]), lineup(["*"], threads=2), strict=True):
        assert (codec.version() != more.version()) == (codec.name != "frozen")
