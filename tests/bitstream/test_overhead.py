"""The container costs at most 2 % of 5 kbps."""

from __future__ import annotations

import io
from dataclasses import replace

import pytest

from imfcodec.bitstream import ColourTags, KeyPacket, StreamWriter, TokenPacket

from .samples import HEADER

DURATION_S = 10
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
    first = 1
    for second in range(DURATION_S):
        last = 25 * (second + 1)
        pts = tuple(512 * n for n in range(first, last))
        writer.write(TokenPacket(first, pts, bytes(300), chained=second > 0))
        first = last
    writer.finish(512 * first)
    sizes = writer.sizes
    with capsys.disabled():
        print(f"\ncontainer: {sizes.container_bytes} of {BUDGET_BYTES} bytes")  # noqa: T201
    assert sizes.container_bytes == container_bytes <= BUDGET_BYTES
    assert sizes.key_bytes == 14 + picture_bytes
    assert sizes.token_bytes == 40 + 10 * 300
    assert sizes.total_bytes == len(file.getvalue())
