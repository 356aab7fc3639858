"""Runs to pictures, and what R has to do with them."""

from __future__ import annotations

from fractions import Fraction

import numpy as np
import pytest

from imfcodec.arrays import Picture
from imfcodec.bitstream.sizes import SizeLedger
from imfcodec.codec.pictures.av1_video import VideoDecoder
from imfcodec.receiver.report import DecodeReport
from imfcodec.receiver.runs import RunDecoder
from imfcodec.receiver.workers import Workers
from imfcodec.sender.runs import RunSettings, coded_run
from imfcodec.sender.source_frame import SourceFrame
from tests.conftest import moving_picture


class Network:
    """Its passes can be told apart."""

    batch = 2
    side_by_side = 2
    warnings = ()

    def restore(self, picture: Picture, restoration: int = 0) -> Picture:
        return picture ^ 1

    def restore_once(self, picture: Picture, restoration: int = 0) -> Picture:
        return picture ^ (64 >> restoration)


@pytest.mark.parametrize("restoration", [0, 2])
def test_each_picture_is_restored(restoration: int) -> None:
    frames = [SourceFrame(n, n, moving_picture(n)) for n in range(12)]
    settings = RunSettings(10, Fraction(1, 2), Fraction(2), 3, restoration, restores_each=True)
    packets = coded_run(frames, 40, settings)
    assert len(packets) == 2  # three seconds each: what the first one says holds for both
    decoder = VideoDecoder(64, 64)
    plain = [decoder.decode(unit) for packet in packets for unit in packet.units]
    workers = Workers(2)
    report = DecodeReport("none", "none", SizeLedger())
    runs = RunDecoder((64, 64), Network(), workers, report)
    shown = [picture.get() for packet in packets for picture in runs.take(packet)]
    workers.stop()
    assert len(shown) == 12
    for n, picture in enumerate(shown):
        assert np.array_equal(picture, plain[n // 3] ^ (64 >> restoration))
        assert picture is shown[n // 3 * 3]  # held pictures are restored once
