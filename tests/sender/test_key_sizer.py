"""A stream without tokens tells what all else takes."""

from __future__ import annotations

import io
from pathlib import Path
from typing import Any

import pytest

from imfcodec.config import EncodeOptions
from imfcodec.media import MediaReader
from imfcodec.sender import EncodeReport
from imfcodec.sender.encoder import Encoder


def report_of(video: Path, *, tokens: bool, **options: Any) -> EncodeReport:
    fixed = {"layout": "whole", "mode": "imf", "refine": 0, "key_preset": 8}
    with MediaReader(video, audio="none") as reader:
        encoder = Encoder(
            io.BytesIO(),
            width=reader.info.width,
            height=reader.info.height,
            fps=1 / (reader.info.nominal_duration * reader.info.time_base),
            options=EncodeOptions(**{**fixed, **options}),
            tokens=tokens,
        )
        with encoder:
            for picture in reader.pictures():
                encoder.write(picture.rgb)
            return encoder.close()


@pytest.mark.usefixtures("tiny_weights")
@pytest.mark.parametrize(
    "options",
    [
        {},
        {"keyframe_interval_s": 0.16},
        {"keyframe_interval_s": 0.16, "chain_keys": False},
        {"keyframe_interval_s": 0.16, "look_ahead": False},
        {"keyframe_interval_s": 0.16, "predict_keys": False},
    ],
)
def test_key_frames_take_what_they_will_take(small_video: Path, options: dict[str, Any]) -> None:
    with_tokens, without = (
        report_of(small_video, tokens=tokens, **options) for tokens in (True, False)
    )
    for kind in ("key_bytes", "predicted_key_bytes", "run_bytes"):
        assert getattr(without.sizes, kind) == getattr(with_tokens.sizes, kind)
    assert without.frames == with_tokens.frames
    assert without.key_frames == with_tokens.key_frames
    assert without.sizes.token_bytes == 0
    packets = with_tokens.frames  # at most
    container = with_tokens.sizes.container_bytes - without.sizes.container_bytes
    assert abs(container) <= 4 * packets
    assert "refinement" not in without.stages.milliseconds
    assert "token encoder" not in without.stages.milliseconds
