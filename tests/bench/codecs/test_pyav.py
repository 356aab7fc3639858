from __future__ import annotations

import os
from collections.abc import Callable, Iterator
from dataclasses import dataclass, fields, replace
from functools import partial
from pathlib import Path

import av
import numpy as np
import pytest

from imfcodec.arrays import Picture
from imfcodec.bench.clip import Clip
from imfcodec.bench.codecs.anchors import svtav1, vp9, x264, x265
from imfcodec.bench.codecs.pyav import PyAvAnchor
from imfcodec.bench.codecs.sampling import Sampling
from imfcodec.metrics.fidelity import psnr_rgb_db

IVF_HEADER = 32
IVF_FRAME = 12
DELIMITER = 2

FAST = partial(svtav1, preset=8)
MAKERS = [FAST, partial(FAST, low_delay=True), x265, x264, vp9]
by_name = pytest.mark.parametrize(
    "codec", [make() for make in MAKERS], ids=lambda codec: codec.name
)


@by_name
def test_round_trip(codec: PyAvAnchor, make_clip, tmp_path: Path) -> None:
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
def test_colours_return(codec: PyAvAnchor, make_clip, tmp_path: Path) -> None:
    """A wrong matrix or range shifts whole areas by several levels."""
    clip = make_clip(frames=8)
    decoded = list(codec.decode(codec.encode(clip, "crf8", tmp_path), clip))
    error = np.mean(decoded, 0) - np.mean(list(clip.pictures()), 0)
    assert np.abs(error.mean((0, 1))).max() < 0.5
    assert np.abs(error).mean() < 2


@by_name
def test_every_byte_of_the_stream_counts(codec: PyAvAnchor, make_clip, tmp_path: Path) -> None:
    clip = make_clip()
    encoded = codec.encode(clip, codec.settings[2], tmp_path)
    with av.open(str(encoded.path)) as file:
        packets = sum(packet.size > 0 for packet in file.demux(video=0))
    beside = 0
    if codec.muxer == "ivf":
        beside = IVF_HEADER + packets * IVF_FRAME
    if codec.encoder == "libsvtav1":
        beside += packets * DELIMITER
    assert encoded.path.stat().st_size == encoded.size_bytes + beside


@by_name
def test_neither_time_nor_a_cut_brings_a_second_key_frame(
    codec: PyAvAnchor, make_clip, tmp_path: Path
) -> None:
    clip = make_clip(frames=260, width=64, height=64, cut=130)
    assert codec.encode(clip, codec.settings[0], tmp_path).key_frames == 1


@by_name
def test_the_same_clip_gives_the_same_bytes(codec: PyAvAnchor, make_clip, tmp_path: Path) -> None:
    # x264 looks beyond the edges of smaller pictures, at whatever lies in memory there.
    clip = make_clip(width=128, height=128)
    written = []
    for n in range(2):
        folder = tmp_path / str(n)
        folder.mkdir()
        written.append(codec.encode(clip, codec.settings[2], folder).path.read_bytes())
    assert written[0] == written[1]


@pytest.mark.parametrize("sampling", [Sampling(64), Sampling(half_rate=True), Sampling(64, True)])
def test_thinned_out(sampling: Sampling, make_clip, tmp_path: Path) -> None:
    clip = make_clip()
    codec = FAST(sampling=sampling)
    encoded = codec.encode(clip, "crf30", tmp_path)
    decoded = list(codec.decode(encoded, clip))
    assert [p.shape for p in decoded] == [(80, 96, 3)] * 13
    source = list(clip.pictures())
    assert np.mean([psnr_rgb_db(a, b) for a, b in zip(source, decoded, strict=True)]) > 22
    if sampling.half_rate:
        np.testing.assert_array_equal(decoded[1:13:2], decoded[0:12:2])


@by_name
def test_odd_sides(codec: PyAvAnchor, make_clip, tmp_path: Path) -> None:
    clip = make_clip(frames=8, width=81, height=67)
    encoded = codec.encode(clip, codec.settings[-1], tmp_path)
    assert [p.shape for p in codec.decode(encoded, clip)] == [(67, 81, 3)] * 8


@pytest.mark.parametrize("half_rate", [False, True])
def test_a_cut_file_comes_out_short(half_rate: bool, make_clip, tmp_path: Path) -> None:
    clip = make_clip(frames=24)
    codec = x264(sampling=Sampling(half_rate=half_rate))
    encoded = codec.encode(clip, codec.settings[-1], tmp_path)
    data = encoded.path.read_bytes()
    encoded.path.write_bytes(data[: data.rindex(b"\x00\x00\x01")])
    assert 0 < len(list(codec.decode(encoded, clip))) < 24


def test_x264_does_not_tell_its_settings(make_clip, tmp_path: Path) -> None:
    data = x264().encode(make_clip(), "crf40", tmp_path).path.read_bytes()
    assert b"x264" not in data
    assert len(data) < 1000


def test_x265_does_not_tell_its_settings(make_clip, tmp_path: Path) -> None:
    assert b"x265" not in x265().encode(make_clip(), "crf40", tmp_path).path.read_bytes()


@dataclass(frozen=True)
class _Watched(Clip):
    """Notes the scheduling class of every thread while it is read."""

    def pictures(self) -> Iterator[Picture]:
        for picture in super().pictures():
            for thread in Path("/proc/self/task").iterdir():
                assert os.sched_getscheduler(int(thread.name)) == os.SCHED_OTHER, thread
            yield picture


@pytest.mark.skipif(not Path("/proc/self/task").is_dir(), reason="no Linux")
def test_svt_av1_leaves_the_scheduling_of_every_thread(make_clip, tmp_path: Path) -> None:
    clip = make_clip()
    watched = _Watched(**{f.name: getattr(clip, f.name) for f in fields(clip)})
    assert FAST().encode_here(watched, "crf60", tmp_path).size_bytes > 0


@pytest.mark.parametrize("make", MAKERS)
def test_version_names_threads_and_options(make: Callable[..., PyAvAnchor]) -> None:
    codec, other, small = make(), make(threads=2), make(sampling=Sampling(192))
    assert len({codec.version(), other.version(), small.version()}) == 3
    assert av.__version__ in codec.version()
    assert codec.missing() is None


def test_an_encoder_that_this_build_lacks() -> None:
    assert "no libvpx-vp12" in (replace(vp9(), encoder="libvpx-vp12").missing() or "")


@pytest.mark.data
def test_rate_and_quality_of_a_talking_head(data: Path, tmp_path: Path) -> None:
    clip = Clip.open(next(iter(sorted((data / "val").glob("*.mp4")))))
    codec = FAST(sampling=Sampling(half_rate=True))
    encoded = codec.encode(clip, "crf62", tmp_path)
    assert 4 < 8 * encoded.size_bytes / clip.duration_s / 1000 < 12
    pairs = zip(clip.pictures(), codec.decode(encoded, clip), strict=True)
    assert np.mean([psnr_rgb_db(a, b) for a, b in pairs]) > 27
