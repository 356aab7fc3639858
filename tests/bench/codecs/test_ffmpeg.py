from __future__ import annotations

import re
import subprocess
import sys
from collections.abc import Callable
from dataclasses import replace
from functools import partial
from pathlib import Path

import numpy as np
import pytest

from imfcodec.bench.codecs.anchors import libaom, vvc
from imfcodec.bench.codecs.ffmpeg import FfmpegAnchor
from imfcodec.bench.codecs.sampling import Sampling
from imfcodec.codec.pictures.obu import TEMPORAL_DELIMITER, split_units
from imfcodec.errors import InputUnreadable, OutputFailed
from imfcodec.metrics.fidelity import psnr_rgb_db

ACCESS_UNIT_DELIMITER = 20

MAKERS = [partial(vvc, preset="faster"), libaom]
by_name = pytest.mark.parametrize(
    "codec", [make() for make in MAKERS], ids=lambda codec: codec.name
)
pytestmark = pytest.mark.skipif(vvc().missing() is not None, reason=str(vvc().missing()))


@by_name
def test_round_trip(codec: FfmpegAnchor, make_clip, tmp_path: Path) -> None:
    clip = make_clip()
    source = list(clip.pictures())
    rates, errors = [], []
    for setting in (codec.settings[0], codec.settings[-1]):
        encoded = codec.encode(clip, setting, tmp_path)
        decoded = list(codec.decode(encoded, clip))
        assert [p.shape for p in decoded] == [p.shape for p in source]
        assert encoded.key_frames == 1
        rates.append(encoded.size_bytes)
        errors.append(np.mean([psnr_rgb_db(a, b) for a, b in zip(source, decoded, strict=True)]))
    assert rates[0] < rates[1]
    assert errors[0] < errors[1]
    assert errors[1] > 28


@by_name
def test_colours_return(codec: FfmpegAnchor, make_clip, tmp_path: Path) -> None:
    """A wrong matrix or range shifts whole areas by several levels."""
    clip = make_clip(frames=8)
    setting = f"{codec.settings[0][:-2]}8"
    decoded = list(codec.decode(codec.encode(clip, setting, tmp_path), clip))
    error = np.mean(decoded, 0) - np.mean(list(clip.pictures()), 0)
    assert np.abs(error.mean((0, 1))).max() < 0.5
    assert np.abs(error).mean() < 2


@by_name
def test_neither_time_nor_a_cut_brings_a_second_key_frame(
    codec: FfmpegAnchor, make_clip, tmp_path: Path
) -> None:
    clip = make_clip(frames=80, width=64, height=64, cut=40)
    assert codec.encode(clip, codec.settings[0], tmp_path).key_frames == 1


@by_name
def test_odd_sides_at_half_rate(codec: FfmpegAnchor, make_clip, tmp_path: Path) -> None:
    clip = make_clip(frames=9, width=81, height=67)
    thin = replace(codec, sampling=Sampling(half_rate=True))
    encoded = thin.encode(clip, thin.settings[-1], tmp_path)
    assert [p.shape for p in thin.decode(encoded, clip)] == [(67, 81, 3)] * 9


def test_bytes_of_vvc_are_those_of_its_file(make_clip, tmp_path: Path) -> None:
    encoded = vvc(preset="faster").encode(make_clip(), "qp40", tmp_path)
    data = encoded.path.read_bytes()
    assert encoded.size_bytes == len(data)
    types = {data[m.end() + 1] >> 3 for m in re.finditer(b"\x00\x00\x01", data)}
    assert ACCESS_UNIT_DELIMITER not in types


def test_bytes_of_libaom_are_those_of_its_file_without_delimiters(
    make_clip, tmp_path: Path
) -> None:
    encoded = libaom().encode(make_clip(), "crf50", tmp_path)
    data = encoded.path.read_bytes()
    delimiters = [u for kind, u in split_units(data) if kind == TEMPORAL_DELIMITER]
    assert len(delimiters) == 13
    assert encoded.size_bytes == len(data) - 2 * 13


def test_a_failure_tells_what_ffmpeg_said(make_clip, tmp_path: Path) -> None:
    broken = replace(libaom(), options=(("crf", "none-such"),))
    with pytest.raises(OutputFailed, match="none-such"):
        broken.encode(make_clip(), "crf50", tmp_path)


def test_a_file_that_is_none(make_clip, tmp_path: Path) -> None:
    clip = make_clip()
    encoded = libaom().encode(clip, "crf50", tmp_path)
    encoded.path.write_bytes(b"no stream at all" * 20)
    with pytest.raises(InputUnreadable, match="ffmpeg"):
        list(libaom().decode(encoded, clip))


@by_name
def test_a_cut_file_comes_out_short(codec: FfmpegAnchor, make_clip, tmp_path: Path) -> None:
    clip = make_clip()
    encoded = codec.encode(clip, codec.settings[-1], tmp_path)
    data = encoded.path.read_bytes()
    encoded.path.write_bytes(data[: len(data) // 2])
    frames = 0
    try:
        for _ in codec.decode(encoded, clip):
            frames += 1
    except InputUnreadable:
        pass
    assert frames < 13


def test_ffmpeg_does_not_outlive_an_interrupted_caller(
    make_clip, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    clip = make_clip(frames=24)
    encoded = libaom().encode(clip, "crf50", tmp_path)
    started: list[subprocess.Popen[bytes]] = []

    class Popen(subprocess.Popen):
        def __init__(self, *args, **kwargs) -> None:
            super().__init__(*args, **kwargs)
            started.append(self)

    monkeypatch.setattr(subprocess, "Popen", Popen)
    frames = libaom().decode(encoded, clip)
    next(frames)
    frames.close()
    assert started[-1].returncode is not None

    def interrupted(self, clip):
        yield from list(clip.pictures())[:3]
        raise KeyboardInterrupt

    monkeypatch.setattr(Sampling, "reduce", interrupted)
    with pytest.raises(KeyboardInterrupt):
        libaom().encode(clip, "crf50", tmp_path)
    assert len(started) == 2
    assert started[-1].returncode is not None


def test_without_imageio_ffmpeg(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "imageio_ffmpeg", None)
    assert "imfcodec[bench]" in (vvc().missing() or "")
    assert vvc().version() == vvc().missing()


def test_a_coder_that_the_binary_lacks() -> None:
    assert "no encoder libnonesuch" in (replace(vvc(), encoder="libnonesuch").missing() or "")


@pytest.mark.parametrize("make", MAKERS)
def test_version_names_release_threads_and_options(make: Callable[..., FfmpegAnchor]) -> None:
    codec = make()
    assert make(threads=2).version() != codec.version()
    assert codec.version().startswith("ffmpeg ")
