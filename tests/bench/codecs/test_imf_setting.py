from __future__ import annotations

import pytest

from imfcodec.bench.codecs.imf import with_setting
from imfcodec.config import EncodeOptions
from imfcodec.errors import OptionError


def test_a_setting_changes_what_it_names() -> None:
    given = EncodeOptions(audio="none", threads=1)
    options = with_setting(given, "crf41-q3-k2.5")
    assert (options.key_crf, options.quantiser, options.keyframe_interval_s) == (41, 3, 2.5)
    assert (options.audio, options.threads) == ("none", 1)
    assert with_setting(given, "crf41-q3").keyframe_interval_s is None


@pytest.mark.parametrize(
    "setting",
    [
        "",
        "q2",
        "crf34",
        "crf34-q2-k",
        "crf34-q2-k3s",
        "34-2",
        "crf34-q2-r8-k3",
        "q2-crf34",
        "crf34-q2.5",
    ],
)
def test_what_is_no_setting(setting: str) -> None:
    with pytest.raises(OptionError, match="is no setting"):
        with_setting(EncodeOptions(), setting)


def test_a_number_out_of_range() -> None:
    with pytest.raises(OptionError, match="CRF"):
        with_setting(EncodeOptions(), "crf64-q1")
