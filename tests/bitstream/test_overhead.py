"""The container costs at most 2 % of 5 kbps."""

from __future__ import annotations

import io
from dataclasses import replace

import pytest

from imfcodec.bitstream import (
    ColourTags,
    KeyPacket,
    PredictedKeyPacket,
    StreamWriter,
    TokenPacket,
)

from .samples import HEADER

DURATION_S = 10
FRAMES = 50
"""From key frame to key frame: two seconds."""

BUDGET_BYTES = 125
"""2 % of 5000 bit/s for ten seconds."""


@pytest.mark.parametrize(
    ("picture_bytes", "container_bytes"),
    # A key packet of 2 KiB has a longer head.
    [(1500, 124), (2500, 125)],
)
def test_ten_seconds(
    picture_bytes: int, container_bytes: int, capsys: pytest.CaptureFixture[str]
) -> None:
    file = io.BytesIO()
    header = replace(HEADER, key_config=bytes(14), colour=ColourTags(1, 1, 1, full_range=False))
    writer = StreamWriter(file, header)
    writer.write(KeyPacket(0, 0, token=bytes(40), picture=bytes(picture_bytes)))
    for key in range(0, 25 * DURATION_S, FRAMES):
        if key > 0:
            writer.write(
                PredictedKeyPacket(key, 512 * key, origin=0, token=bytes(20), picture=bytes(300))
            )
        pts = tuple(512 * n for n in range(key + 1, key + FRAMES))
        writer.write(TokenPacket(key + 1, pts, bytes(600)))
    writer.finish(512 * 25 * DURATION_S)
    sizes = writer.sizes
    with capsys.disabled():
        print(f"\ncontainer: {sizes.container_bytes} of {BUDGET_BYTES} bytes")  # noqa: T201
    assert sizes.container_bytes == container_bytes <= BUDGET_BYTES
    assert sizes.key_bytes == 14 + picture_bytes
    assert sizes.predicted_key_bytes == 4 * 300
    assert sizes.token_bytes == 40 + 4 * 20 + 5 * 600
    assert sizes.total_bytes == len(file.getvalue())


def test_ten_seconds_with_leading_frames(capsys: pytest.CaptureFixture[str]) -> None:
    """A key frame every three seconds, the default, and half of the frames before lead to it.

    To the first one as well, which is then chosen among the frames of the first interval.
    """
    file = io.BytesIO()
    header = replace(HEADER, key_config=bytes(14), colour=ColourTags(1, 1, 1, full_range=False))
    writer = StreamWriter(file, header)
    interval, half, frames = 75, 37, 25 * DURATION_S
    lead = tuple(512 * n for n in range(half))
    tokens = bytes(40 + 4 * half)
    writer.write(KeyPacket(half, 512 * half, token=tokens, picture=bytes(2500), lead=lead))
    for key in range(half, frames, interval):
        if key > half:
            lead = tuple(512 * n for n in range(key - half, key))
            writer.write(
                PredictedKeyPacket(key, 512 * key, half, bytes(20 + 4 * half), bytes(300), lead)
            )
        last = key + interval >= frames
        behind = range(key + 1, frames if last else key + interval - half)
        writer.write(TokenPacket(key + 1, tuple(512 * n for n in behind), bytes(4 * len(behind))))
    writer.finish(512 * frames)
    with capsys.disabled():
        print(f"\ncontainer: {writer.sizes.container_bytes} of {BUDGET_BYTES} bytes")  # noqa: T201
    assert writer.sizes.container_bytes == 95 <= BUDGET_BYTES
