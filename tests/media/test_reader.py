from __future__ import annotations

import io
import os
import subprocess
import sys
import threading
from contextlib import suppress
from fractions import Fraction
from itertools import pairwise
from pathlib import Path

import av
import numpy as np
import pytest

from imfcodec.errors import (
    InputUnreadable,
    NoFrames,
    NoVideoStream,
    OptionError,
    UnsupportedVideo,
)
from imfcodec.media import MediaReader, PictureFrame, reader

from .samples import (
    HEIGHT,
    WIDTH,
    encode,
    encode_pictures,
    encode_with_click,
    gradient,
    rgb_frames,
)

TIMES = [0, 40, 80, 200, 240, 290, 300, 340, 380, 420]


def pictures(source, **kwargs) -> tuple[list[PictureFrame], MediaReader]:
    with MediaReader(source, audio="none", **kwargs) as media:
        return list(media.events()), media


def test_pictures_and_times_come_back(tmp_path):
    path = tmp_path / "in.mkv"
    encode_pictures(path, pts=TIMES)
    frames, media = pictures(path)
    assert [frame.pts for frame in frames] == TIMES
    assert all(np.array_equal(f.rgb, gradient(step=n)) for n, f in enumerate(frames))
    info = media.info
    assert (info.width, info.height) == (WIDTH, HEIGHT)
    assert info.time_base == Fraction(1, 1000)
    assert info.sample_aspect_ratio == 1
    assert (info.codec, info.rotation, info.bit_depth) == ("ffv1", 0, 8)
    assert info.audio is None
    assert media.warnings == []


def test_constant_rate(tmp_path):
    path = tmp_path / "in.mp4"
    frames = rgb_frames([gradient(step=n) for n in range(10)], "yuv420p")
    encode(path, frames, codec="libx264", time_base=Fraction(1, 25), step=1)
    read, media = pictures(path)
    info = media.info
    assert info.average_rate == 25
    assert info.nominal_duration * info.time_base == Fraction(1, 25)
    assert info.frame_count_hint == 10
    assert info.duration_s == pytest.approx(0.4)
    assert [frame.pts * info.time_base * 25 for frame in read] == list(range(10))
    assert {frame.duration * info.time_base for frame in read} == {Fraction(1, 25)}


def test_b_frames_come_in_the_order_of_display(tmp_path):
    path = tmp_path / "in.mp4"
    frames = rgb_frames([gradient(step=n) for n in range(10)], "yuv420p")
    options = {"bf": "3", "b-adapt": "0"}
    encode(path, frames, codec="libx264", options=options, time_base=Fraction(1, 25), step=1)
    read, media = pictures(path)
    assert [frame.pts * media.info.time_base * 25 for frame in read] == list(range(10))
    blue = [frame.rgb[..., 2].mean() for frame in read]
    assert all(later < earlier for earlier, later in pairwise(blue))


def test_a_late_start_is_the_origin(tmp_path):
    path = tmp_path / "in.mkv"
    encode_pictures(path, 3, pts=[700, 740, 800])
    frames, _ = pictures(path)
    assert [frame.pts for frame in frames] == [0, 40, 100]


def test_sample_aspect_ratio(tmp_path):
    path = tmp_path / "in.mp4"
    frames = rgb_frames([gradient()], "yuv420p")
    encode(path, frames, codec="libx264", tags={"sample_aspect_ratio": Fraction(16, 11)})
    assert pictures(path)[1].info.sample_aspect_ratio == Fraction(16, 11)


@pytest.mark.parametrize("size", [(32, 24), (64, 64), (100, 75)])
def test_scaled_pictures(tmp_path, size):
    path = tmp_path / "in.mkv"
    encode_pictures(path, 2)
    frames, media = pictures(path, size=size)
    assert [frame.rgb.shape for frame in frames] == [(size[1], size[0], 3)] * 2
    assert (media.info.width, media.info.height) == (WIDTH, HEIGHT)


def test_a_pipe_will_do(tmp_path):
    path = tmp_path / "in.mkv"
    encode_with_click(path, format="matroska")
    out, into = os.pipe()

    def fill() -> None:
        with os.fdopen(into, "wb") as pipe:
            pipe.write(path.read_bytes())

    feeder = threading.Thread(target=fill)
    feeder.start()
    with os.fdopen(out, "rb") as pipe, MediaReader(pipe, audio="opus") as media:
        assert not pipe.seekable()
        events = list(media.events())
    feeder.join()
    kinds = ["picture" if isinstance(event, PictureFrame) else "audio" for event in events]
    assert kinds.count("picture") == 50
    assert kinds.count("audio") > 31
    # Interleaved as they come: neither track waits for the end of the other.
    assert kinds.index("audio") < 20
    assert kinds.index("picture") < 20


def test_standard_input(tmp_path, monkeypatch):
    file = io.BytesIO()
    encode_pictures(file, 3, format="matroska")
    file.seek(0)
    monkeypatch.setattr(reader.sys, "stdin", io.TextIOWrapper(file))
    assert len(pictures("-")[0]) == 3


def test_a_name_with_a_colon(tmp_path):
    path = tmp_path / "a:b.mkv"
    file = io.BytesIO()
    encode_pictures(file, 1, format="matroska")
    path.write_bytes(file.getvalue())
    assert len(pictures(path)[0]) == 1


@pytest.mark.parametrize(
    ("name", "content"),
    [
        ("empty.mp4", b""),
        ("text.mp4", b"this is no video\n" * 100),
        ("notes.txt", b"this is no video\n" * 100),
        ("list.m3u8", b"#EXTM3U\n#EXT-X-TARGETDURATION:1\n#EXTINF:1,\nx.ts\n"),
        ("list.ffconcat", b"ffconcat version 1.0\nfile /etc/passwd\n"),
        ("noise.mkv", bytes(range(256)) * 20),
        ("cut.mp4", b"\x00\x00\x00\x20ftypisom\x00\x00\x02\x00isomiso2avc1mp41"),
    ],
)
def test_what_is_no_video_is_unreadable(tmp_path, name, content):
    path = tmp_path / name
    path.write_bytes(content)
    with pytest.raises(InputUnreadable, match=name):
        MediaReader(path, audio="none")


def test_missing_files_and_folders(tmp_path):
    for path in (tmp_path / "missing.mp4", tmp_path):
        with pytest.raises(InputUnreadable):
            MediaReader(path, audio="none")


def test_a_source_that_fails(tmp_path):
    class Failing(io.RawIOBase):
        def readable(self) -> bool:
            return True

        def read(self, size: int = -1) -> bytes:
            raise OSError(5, "input/output error")

    with pytest.raises(InputUnreadable, match="input/output"):
        MediaReader(Failing(), audio="none")


def test_a_source_that_fails_later(tmp_path):
    file = io.BytesIO()
    encode_pictures(file, 60, format="matroska")

    class Failing(io.BytesIO):
        def read(self, size: int | None = -1) -> bytes:
            if self.tell() > len(self.getvalue()) // 2:
                raise OSError(5, "input/output error")
            return super().read(size)

        def seekable(self) -> bool:
            return False

    with (
        MediaReader(Failing(file.getvalue()), audio="none") as media,
        pytest.raises(InputUnreadable, match="input/output"),
    ):
        list(media.events())


def test_sound_alone_is_no_video(tmp_path):
    path = tmp_path / "in.mka"
    with av.open(str(path), "w", format="matroska") as out:
        audio = out.add_stream("libopus", rate=48000)
        block = av.AudioFrame.from_ndarray(np.zeros((2, 960), np.float32), "fltp", "stereo")
        block.sample_rate = 48000
        out.mux(audio.encode(block))
        out.mux(audio.encode(None))
    with pytest.raises(NoVideoStream):
        MediaReader(path, audio="none")


def test_cover_art_is_no_video(tmp_path):
    path = tmp_path / "in.mp4"
    with av.open(str(path), "w") as out:
        audio = out.add_stream("aac", rate=48000)
        cover = out.add_stream("mjpeg", rate=1, width=WIDTH, height=HEIGHT)
        cover.pix_fmt = "yuvj420p"
        cover.disposition = av.stream.Disposition.attached_pic
        frame = rgb_frames([gradient()], "yuvj420p")[0]
        out.mux(cover.encode(frame))
        out.mux(cover.encode(None))
        for index in range(20):
            block = av.AudioFrame.from_ndarray(np.zeros((2, 1024), np.float32), "fltp", "stereo")
            block.sample_rate, block.pts = 48000, index * 1024
            out.mux(audio.encode(block))
        out.mux(audio.encode(None))
    with av.open(str(path)) as check:
        assert len(check.streams.video) == 1
    with pytest.raises(NoVideoStream):
        MediaReader(path, audio="none")


def wreck(path: Path, first: int, last: int) -> None:
    """Overwrite the packets first..last-1 with zeros."""
    with av.open(str(path)) as source:
        spans = [(packet.pos, packet.size) for packet in source.demux(video=0) if packet.size]
    content = bytearray(path.read_bytes())
    for start, size in spans[first:last]:
        content[start : start + size] = bytes(size)
    path.write_bytes(content)


def motion_jpeg(path: Path, count: int) -> Path:
    frames = rgb_frames([gradient(step=n) for n in range(count)], "yuvj420p")
    encode(path, frames, codec="mjpeg")
    return path


def test_damage_in_the_middle_is_a_warning(tmp_path):
    path = motion_jpeg(tmp_path / "in.mp4", 10)
    wreck(path, 4, 6)
    frames, media = pictures(path)
    assert len(frames) == 8
    assert frames[4].pts - frames[3].pts == 3 * (frames[1].pts - frames[0].pts)
    assert "2 damaged video packets skipped" in media.warnings


def test_nothing_but_damage_is_no_frames(tmp_path):
    path = motion_jpeg(tmp_path / "in.mp4", 5)
    wreck(path, 0, 5)
    with pytest.raises(NoFrames):
        MediaReader(path, audio="none")


def test_a_cut_file_gives_what_is_there(tmp_path):
    path = tmp_path / "in.mkv"
    encode_pictures(path, 10)
    content = path.read_bytes()
    path.write_bytes(content[: len(content) * 6 // 10])
    frames, _ = pictures(path)
    assert 3 <= len(frames) < 10


@pytest.mark.parametrize("keep", [0.3, 0.6, 0.9])
def test_a_cut_pipe_raises_only_our_errors(tmp_path, keep):
    file = io.BytesIO()
    encode_with_click(file, format="mpegts", audio_codec="mp2")
    content = file.getvalue()
    with MediaReader(io.BytesIO(content[: int(len(content) * keep)]), audio="opus") as media:
        assert any(isinstance(event, PictureFrame) for event in media.events())


def test_large_pictures_are_refused_before_decoding(tmp_path, monkeypatch):
    path = tmp_path / "in.mkv"
    encode_pictures(path, 1)
    monkeypatch.setattr(reader, "MAX_SIDE", 60)
    with pytest.raises(UnsupportedVideo, match="64x48"):
        MediaReader(path, audio="none")


def test_options_are_checked(tmp_path):
    path = tmp_path / "in.mkv"
    encode_pictures(path, 1)
    with pytest.raises(OptionError, match="copy"):
        MediaReader(path, audio="loud")
    with pytest.raises(OptionError, match="bit/s"):
        MediaReader(path, audio="opus", audio_bitrate=100)
    with pytest.raises(OptionError, match="0x10"):
        MediaReader(path, audio="none", size=(0, 10))


def test_a_picture_of_another_shape_is_letterboxed(tmp_path):
    parts = []
    for width, height in [(64, 48), (96, 48), (48, 48)]:
        part = io.BytesIO()
        white = np.full((height, width, 3), 255, np.uint8)
        frames = rgb_frames([white] * 2, "yuv420p")
        encode(part, frames, format="h264", codec="libx264", time_base=Fraction(1, 25), step=1)
        parts.append(part.getvalue())
    frames, media = pictures(io.BytesIO(b"".join(parts)))
    assert [frame.rgb.shape for frame in frames] == [(48, 64, 3)] * 6
    assert [frame.pts for frame in frames] == sorted({frame.pts for frame in frames})
    assert any("size changes" in warning for warning in media.warnings)
    wide, tall = frames[2].rgb, frames[4].rgb
    assert wide[:7].max() < 10
    assert wide[41:].max() < 10
    assert wide[10:38].min() > 240
    assert tall[:, :7].max() < 10
    assert tall[:, 10:54].min() > 240


def test_interlaced_video_is_deinterlaced(tmp_path):
    """A bar that has moved between the two fields of a frame: combed, if taken as progressive."""
    path = tmp_path / "in.mkv"
    fields = [np.zeros((48, 64, 3), np.uint8) for _ in range(16)]
    for n, field in enumerate(fields):
        field[:, 3 * n : 3 * n + 10] = 255
    woven = []
    for top, bottom in zip(fields[::2], fields[1::2], strict=True):
        frame = top.copy()
        frame[1::2] = bottom[1::2]
        woven.append(frame)
    encode(
        path,
        rgb_frames(woven, "yuv420p"),
        codec="libx264",
        options={"x264-params": "interlaced=1:tff=1", "crf": "1"},
    )
    frames, media = pictures(path)
    assert any("deinterlaced" in warning for warning in media.warnings)
    assert [frame.pts for frame in frames] == [40 * n for n in range(8)]
    for frame in frames[1:-1]:
        lines = frame.rgb[8:40, :, 1].astype(int)
        assert np.abs(np.diff(lines, axis=0)).mean() < 8  # 20 in the woven frames


def two_tracks(path, sizes, counts, default: int | None) -> None:
    with av.open(str(path), "w") as out:
        tracks = []
        for width, height in sizes:
            track = out.add_stream("libx264", rate=25, width=width, height=height)
            track.pix_fmt = "yuv420p"
            tracks.append(track)
        for n, track in enumerate(tracks):
            track.disposition = (
                av.stream.Disposition.default if n == default else av.stream.Disposition(0)
            )
        for track, (width, height), count in zip(tracks, sizes, counts, strict=True):
            for n in range(count):
                frame = av.VideoFrame.from_ndarray(gradient(width, height, n), format="rgb24")
                frame.pts = n
                out.mux(track.encode(frame))
            out.mux(track.encode(None))


@pytest.mark.parametrize(
    ("sizes", "counts", "default", "chosen"),
    [
        ([(64, 48), (96, 64)], (5, 5), 0, (64, 48)),
        ([(64, 48), (96, 64)], (5, 5), 1, (96, 64)),
        ([(64, 48), (96, 64)], (5, 5), None, (96, 64)),
        ([(256, 256), (64, 48)], (1, 5), 0, (64, 48)),
    ],
    ids=["default", "second default", "largest", "cover"],
)
def test_which_video_track(tmp_path, sizes, counts, default, chosen):
    path = tmp_path / ("in.mp4" if default is not None else "in.ts")
    two_tracks(path, sizes, counts, default)
    frames, media = pictures(path)
    assert (media.info.width, media.info.height) == chosen
    assert len(frames) == 5
    assert any("2 video tracks" in warning for warning in media.warnings)


def test_a_cover_beside_sound_is_no_video(tmp_path):
    path = tmp_path / "in.mp4"
    with av.open(str(path), "w") as out:
        cover = out.add_stream("mjpeg", rate=1, width=64, height=64)
        cover.pix_fmt = "yuvj420p"
        sound = out.add_stream("aac", rate=48000, layout="mono")
        out.mux(cover.encode(rgb_frames([gradient(64, 64)], "yuvj420p")[0]))
        out.mux(cover.encode(None))
        for n in range(20):
            frame = av.AudioFrame.from_ndarray(
                np.zeros((1, 1024), np.float32), format="fltp", layout="mono"
            )
            frame.sample_rate, frame.pts = 48000, 1024 * n
            out.mux(sound.encode(frame))
        out.mux(sound.encode(None))
    with pytest.raises(NoVideoStream):
        MediaReader(path, audio="opus")


def test_frames_that_the_container_promised_are_counted(tmp_path):
    path, front = tmp_path / "in.mp4", tmp_path / "front.mp4"
    frames = rgb_frames([gradient(step=n % 5) for n in range(50)], "yuv420p")
    encode(path, frames, codec="libx264")
    with (
        av.open(str(path)) as source,
        av.open(str(front), "w", options={"movflags": "faststart"}) as out,
    ):
        track = out.add_stream_from_template(source.streams.video[0])
        for packet in source.demux(source.streams.video[0]):
            if packet.size:
                packet.stream = track
                out.mux(packet)
    content = front.read_bytes()
    frames, media = pictures(io.BytesIO(content[: len(content) - 1000]))
    assert len(frames) < 50
    (counted,) = [w for w in media.warnings if "declares 50 frames" in w]
    assert f"{50 - len(frames)} missing" in counted


def test_packets_before_the_first_key_frame_are_counted(tmp_path):
    whole = io.BytesIO()
    encode(
        whole,
        rgb_frames([gradient(step=n % 7) for n in range(30)], "yuv420p"),
        format="mpegts",
        codec="libx264",
        options={"g": "10", "sc_threshold": "0", "bf": "0"},
        time_base=Fraction(1, 90000),
        step=3600,
    )
    kept = io.BytesIO()
    with av.open(io.BytesIO(whole.getvalue())) as source, av.open(kept, "w", "mpegts") as out:
        track = out.add_stream_from_template(source.streams.video[0])
        for n, packet in enumerate(p for p in source.demux() if p.size):
            if n >= 4:
                packet.stream = track
                out.mux(packet)
    frames, media = pictures(io.BytesIO(kept.getvalue()))
    assert len(frames) == 20
    assert "6 video packets before the first key frame dropped" in media.warnings


def test_no_foreign_module_is_imported():
    code = (
        "import imfcodec.media, sys; "
        "found = {'torch', 'click', 'rich', 'cv2', 'PIL'} & set(sys.modules); "
        "assert not found, found"
    )
    subprocess.run([sys.executable, "-c", code], check=True)


@pytest.mark.parametrize(
    ("name", "head", "what"),
    [
        ("a.png", b"\x89PNG\r\n\x1a\n" + bytes(56), "still picture .PNG"),
        ("a.jpg", b"\xff\xd8\xff\xe0" + bytes(60), "still picture .JPEG"),
        ("a.webp", b"RIFF\0\0\0\0WEBPVP8X\x0a\0\0\0\x02" + bytes(43), "animated WebP"),
        ("a.webp", b"RIFF\0\0\0\0WEBPVP8 " + bytes(48), "still picture .WebP"),
        ("a.heic", b"\0\0\0\x20ftypheic" + bytes(52), "still picture .HEIC"),
    ],
)
def test_still_pictures_are_named(tmp_path, name, head, what):
    path = tmp_path / name
    path.write_bytes(head)
    with pytest.raises(UnsupportedVideo, match=what):
        MediaReader(path, audio="none")


def test_an_mp4_whose_index_is_at_the_end_of_a_pipe_says_so(tmp_path):
    path = tmp_path / "in.mp4"
    rng = np.random.default_rng(0)
    noise = [rng.integers(0, 256, (256, 256, 3), np.uint8) for _ in range(20)]
    encode(path, rgb_frames(noise, "yuv420p"), codec="libx264", options={"crf": "5"})
    reading_end, writing_end = os.pipe()
    content = path.read_bytes()

    def feed():
        with suppress(OSError), os.fdopen(writing_end, "wb") as pipe:
            pipe.write(content)

    feeder = threading.Thread(target=feed)
    feeder.start()
    with (
        os.fdopen(reading_end, "rb") as pipe,
        pytest.raises(InputUnreadable, match="index of this MP4 file is at its end"),
    ):
        MediaReader(pipe, audio="none")
    feeder.join()
