from __future__ import annotations

import os
from collections.abc import Iterator
from dataclasses import dataclass, fields
from pathlib import Path

import av
import numpy as np
import pytest

from imfcodec.bench.clip import Clip, Picture
from imfcodec.bench.codecs.pyav import PyAvCodec
from imfcodec.bench.codecs.sampling import Sampling
from imfcodec.bench.codecs.svtav1 import SvtAv1
from imfcodec.bench.codecs.vp9 import Vp9
from imfcodec.bench.codecs.x264 import X264
from imfcodec.bench.codecs.x265 import X265
from imfcodec.metrics.fidelity import psnr_rgb_db

IVF_HEADER = 32
IVF_FRAME = 12
DELIMITER = 2

ALL = [SvtAv1(preset=8), SvtAv1(preset=8, low_delay=True), X265(), X264(), Vp9()]
by_name = pytest.mark.parametrize("codec", ALL, ids=lambda codec: codec.name)


@by_name
def test_round_trip(codec: PyAvCodec, make_clip, tmp_path: Path) -> None:
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
def test_colours_return(codec: PyAvCodec, make_clip, tmp_path: Path) -> None:
    """A wrong matrix or range shifts whole areas by several levels."""
    clip = make_clip(frames=8)
    decoded = list(codec.decode(codec.encode(clip, "crf8", tmp_path), clip))
    error = np.mean(decoded, 0) - np.mean(list(clip.pictures()), 0)
    assert np.abs(error.mean((0, 1))).max() < 0.5
    assert np.abs(error).mean() < 2


@by_name
def test_every_byte_of_the_stream_counts(codec: PyAvCodec, make_clip, tmp_path: Path) -> None:
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
    codec: PyAvCodec, make_clip, tmp_path: Path
) -> None:
    clip = make_clip(frames=260, width=64, height=64, cut=130)
    assert codec.encode(clip, codec.settings[0], tmp_path).key_frames == 1


@by_name
def test_the_same_clip_gives_the_same_bytes(codec: PyAvCodec, make_clip, tmp_path: Path) -> None:
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
    codec = SvtAv1(preset=8, sampling=sampling)
    encoded = codec.encode(clip, "crf30", tmp_path)
    decoded = list(codec.decode(encoded, clip))
    assert [p.shape for p in decoded] == [(80, 96, 3)] * 13
    source = list(clip.pictures())
    assert np.mean([psnr_rgb_db(a, b) for a, b in zip(source, decoded, strict=True)]) > 22
    if sampling.half_rate:
        np.testing.assert_array_equal(decoded[1:13:2], decoded[0:12:2])


@by_name
def test_odd_sides(codec: PyAvCodec, make_clip, tmp_path: Path) -> None:
    clip = make_clip(frames=8, width=81, height=67)
    encoded = codec.encode(clip, codec.settings[-1], tmp_path)
    assert [p.shape for p in codec.decode(encoded, clip)] == [(67, 81, 3)] * 8


@pytest.mark.parametrize("half_rate", [False, True])
def test_a_cut_file_comes_out_short(half_rate: bool, make_clip, tmp_path: Path) -> None:
    clip = make_clip(frames=24)
    codec = X264(sampling=Sampling(half_rate=half_rate))
    encoded = codec.encode(clip, codec.settings[-1], tmp_path)
    data = encoded.path.read_bytes()
    encoded.path.write_bytes(data[: data.rindex(b"\x00\x00\x01")])
    assert 0 < len(list(codec.decode(encoded, clip))) < 24


def test_x264_does_not_tell_its_settings(make_clip, tmp_path: Path) -> None:
    data = X264().encode(make_clip(), "crf40", tmp_path).path.read_bytes()
    assert b"x264" not in data
    assert len(data) < 1000


def test_x265_does_not_tell_its_settings(make_clip, tmp_path: Path) -> None:
    assert b"x265" not in X265().encode(make_clip(), "crf40", tmp_path).path.read_bytes()


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
    assert SvtAv1(preset=8).encode_here(watched, "crf60", tmp_path).size_bytes > 0


@by_name
def test_version_names_threads_and_options(codec: PyAvCodec) -> None:
    other = type(codec)(**{**vars(codec), "threads": 2})
    small = type(codec)(**{**vars(codec), "sampling": Sampling(192)})
    assert len({codec.version(), other.version(), small.version()}) == 3
    assert av.__version__ in codec.version()
    assert codec.missing() is None


def test_an_encoder_that_this_build_lacks(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(Vp9, "encoder", "libvpx-vp12")
    assert "no libvpx-vp12" in (Vp9().missing() or "")


@pytest.mark.data
def test_rate_and_quality_of_a_talking_head(data: Path, tmp_path: Path) -> None:
    clip = Clip.open(next(iter(sorted((data / "val").glob("*.mp4")))))
    codec = SvtAv1(preset=8, sampling=Sampling(half_rate=True))
    encoded = codec.encode(clip, "crf62", tmp_path)
    assert 4 < 8 * encoded.size_bytes / clip.duration_s / 1000 < 12
    pairs = zip(clip.pictures(), codec.decode(encoded, clip), strict=True)
    assert np.mean([psnr_rgb_db(a, b) for a, b in pairs]) > 27
