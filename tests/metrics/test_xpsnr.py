from __future__ import annotations

from fractions import Fraction
from pathlib import Path

import av
import numpy as np
import pytest
from av.filter import Graph

from imfcodec.errors import OptionError
from imfcodec.metrics.xpsnr import Xpsnr, xpsnr_missing
from tests.conftest import moving_picture

pytestmark = pytest.mark.skipif(xpsnr_missing() is not None, reason=str(xpsnr_missing()))

RATE = Fraction(30000, 1001)


def noisy(frame: int, strength: int) -> np.ndarray:
    random = np.random.default_rng(frame)
    picture = moving_picture(frame, 64, 48)
    return (picture + random.normal(0, strength, picture.shape)).clip(0, 255).astype(np.uint8)


def score(sources: list[np.ndarray], coded: list[np.ndarray]) -> float:
    height, width = sources[0].shape[:2]
    meter = Xpsnr(width, height, RATE)
    for pair in zip(sources, coded, strict=True):
        meter.add(*pair)
    return meter.value_db()


def test_it_agrees_with_the_filters_own_average(tmp_path: Path) -> None:
    """Two inputs instead of one stacked, and the summary that libavfilter writes at the end."""
    pairs = [(moving_picture(n, 64, 48), noisy(n, 1 + n)) for n in range(6)]
    stats = tmp_path / "stats.txt"
    graph = Graph()
    form = {"video_size": "64x48", "pix_fmt": "rgb24", "time_base": str(1 / RATE)}
    inputs = [graph.add("buffer", **form, frame_rate=str(RATE)) for _ in range(2)]
    compare, sink = graph.add("xpsnr", stats_file=str(stats)), graph.add("buffersink")
    for number, buffer in enumerate(inputs):
        scale = graph.add(
            "scale",
            flags="bicubic+accurate_rnd+full_chroma_int+full_chroma_inp",
            out_color_matrix="bt709",
            out_range="limited",
        )
        wanted = graph.add("format", pix_fmts="yuv444p")
        graph.link_nodes(buffer, scale, wanted)
        wanted.link_to(compare, 0, number)
    compare.link_to(sink)
    graph.configure()
    for n, pair in enumerate(pairs):
        for buffer, picture in zip(inputs, pair, strict=True):
            frame = av.VideoFrame.from_ndarray(picture, "rgb24")
            frame.pts, frame.time_base = n, 1 / RATE
            buffer.push(frame)
    for buffer in inputs:
        buffer.push(None)
    for _ in pairs:
        sink.pull()
    del graph, inputs, buffer, compare, sink, scale, wanted  # closing the filter writes the file
    average = stats.read_text().split("y:")[-1].split()[0]
    assert score(*map(list, zip(*pairs, strict=True))) == pytest.approx(float(average), abs=1e-3)


def test_equal_videos() -> None:
    frames = [moving_picture(n) for n in range(4)]
    assert score(frames, frames) == 100


def test_a_video_is_the_mean_of_its_frames_roots() -> None:
    sources, coded = [moving_picture(n) for n in range(4)], [noisy_everywhere(n) for n in range(4)]
    roots = []
    for damaged in range(4):  # a frame without errors adds nothing
        one = [coded[n] if n == damaged else sources[n] for n in range(4)]
        roots.append(10 ** (-score(sources, one) / 20))
    assert 10 ** (-score(sources, coded) / 20) == pytest.approx(sum(roots), rel=1e-4)


def test_a_busy_source_hides_errors() -> None:
    """The weights come from the source: the same errors cost more on a still, smooth picture."""
    smooth, busy = [moving_picture(0)] * 4, [noisy_everywhere(n) for n in range(4)]
    assert score(busy, smooth) > score(smooth, busy) + 1


def noisy_everywhere(frame: int) -> np.ndarray:
    random = np.random.default_rng(frame)
    picture = moving_picture(0)
    return (picture + random.normal(0, 20, picture.shape)).clip(0, 255).astype(np.uint8)


def test_pictures_of_another_size() -> None:
    with pytest.raises(ValueError, match="expected pictures of"):
        Xpsnr(64, 48, RATE).add(moving_picture(0), moving_picture(0))


def test_pictures_on_which_the_filter_would_crash() -> None:
    Xpsnr(45, 45, RATE)
    with pytest.raises(ValueError, match="2025 pixels"):
        Xpsnr(44, 46, RATE)


def test_nothing_has_no_value() -> None:
    with pytest.raises(ValueError, match="no frames"):
        Xpsnr(64, 48, RATE).value_db()


def test_a_library_without_the_filter(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("av.filter.filters_available", set())
    with pytest.raises(OptionError, match="no xpsnr filter"):
        Xpsnr(64, 48, RATE)
