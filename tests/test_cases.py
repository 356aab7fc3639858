"""Small inputs that once went wrong, with what must come out; marked ``data``."""

from __future__ import annotations

import io
import json
from fractions import Fraction
from pathlib import Path
from typing import Any

import av
import numpy as np
import pytest

import imfcodec
from imfcodec.bitstream import AudioPacket, RunPacket, StreamReader, TokenPacket
from imfcodec.errors import UnsupportedVideo
from imfcodec.media import (
    AudioPacketOut,
    CodingGeometry,
    MediaReader,
    PictureFrame,
    opus_packet_samples,
)
from imfcodec.sender.planning.keyframe_policy import KeyframePolicy
from imfcodec.sender.planning.shots import ShotDetector
from imfcodec.sender.source_frame import SourceFrame

pytestmark = pytest.mark.data


@pytest.fixture(scope="session")
def cases(data: Path) -> Path:
    folder = data.parent / "cases"
    if not folder.is_dir():
        pytest.skip("no case files beside the talking-head clips")
    return folder


class Read:
    """A whole source, read with its sound."""

    def __init__(self, path: Path) -> None:
        with MediaReader(path, audio="opus") as media:
            events = list(media.events())
        self.info, self.warnings, self.parameters = media.info, media.warnings, media
        self.pictures = [e for e in events if isinstance(e, PictureFrame)]
        self.packets = [e for e in events if isinstance(e, AudioPacketOut)]

    @property
    def sound(self) -> tuple[np.ndarray, float]:
        """Decoded samples, and the time of the first one in seconds."""
        parameters = self.parameters.audio_parameters
        assert parameters is not None
        decoder = av.CodecContext.create("libopus", "r")
        decoder.extradata = parameters.extradata
        blocks = []
        for packet in self.packets:
            for frame in decoder.decode(av.Packet(packet.data)):
                block = frame.to_ndarray()[0].astype(float)
                blocks.append(block / (1 if "flt" in frame.format.name else 32768))
        begin = (self.packets[0].pts - parameters.pre_skip) / 48000
        return np.concatenate(blocks), begin


def psnr(a: np.ndarray, b: np.ndarray) -> float:
    return 10 * np.log10(255**2 / max(np.square(a.astype(float) - b).mean(), 0.01))


MODES: list[dict[str, Any]] = [
    {"latency": "low"},
    {"refine": 0, "key_preset": 6},
    {"refine": 0, "key_preset": 6, "look_ahead": False, "mode": "imf"},
]


@pytest.mark.parametrize("mode", MODES, ids=["low", "planned", "no look-ahead"])
def test_each_of_three_people_is_shown(cases: Path, mode: dict[str, Any]) -> None:
    path = cases / "cut_25_0.6.mp4"
    file = io.BytesIO()
    imfcodec.encode(path, file, audio="none", weights="live", **mode)
    shown = [f.rgb for f in imfcodec.Decoder(io.BytesIO(file.getvalue()))]
    source = [picture.rgb for picture in Read(path).pictures]
    values = [psnr(a, b) for a, b in zip(source, shown, strict=True)]
    for shot in (slice(0, 15), slice(15, 30), slice(30, 45)):
        assert min(values[shot]) > 20


@pytest.mark.parametrize("name", ["fade.mp4", "expo.mp4"])
@pytest.mark.parametrize("hasty", [False, True])
def test_fades_and_exposure_are_followed(cases: Path, name: str, hasty: bool) -> None:
    """No half second is much further from its key frame than from the best of its own frames."""
    with MediaReader(cases / name, audio="none") as media:
        geometry = CodingGeometry.fit(media.info.width, media.info.height)
        time_base = media.info.time_base
        frames = [
            SourceFrame(n, p.pts, geometry.to_coded(p.rgb)) for n, p in enumerate(media.pictures())
        ]
    detector = ShotDetector(time_base, hasty=hasty)
    policy = KeyframePolicy(None, True, 1e9, time_base=time_base)
    keys = []
    known = [pair for frame in frames for pair in detector.push(frame)] + list(detector.flush())
    for frame, cut in known:
        if kind := policy.decide(frame.pts, frame.picture, cut=cut):
            policy.take(frame.pts, kind)
            keys.append(frame.number)
    pictures = [frame.picture.astype(int) for frame in frames]
    half = round(Fraction(1, 2) / time_base / (frames[1].pts - frames[0].pts))
    for begin in range(len(frames) - half):
        window = range(begin, begin + half)
        held = {n: max(k for k in keys if k <= n) for n in window}
        got = np.mean([np.abs(pictures[n] - pictures[held[n]]).mean() for n in window])
        best = min(
            np.mean([np.abs(pictures[n] - pictures[k]).mean() for n in window]) for k in window
        )
        assert got < best + 16


def test_high_dynamic_range_upright(cases: Path) -> None:
    read = Read(cases / "iph_hlg.mov")
    assert any("tone-mapped" in w for w in read.warnings)
    assert read.info.rotation in (90, 270)
    assert np.percentile(read.pictures[-1].rgb, 99) > 150  # 136 as it is stored


def test_transparency(cases: Path) -> None:
    read = Read(cases / "alpha.webm")
    assert any("composed on black" in w for w in read.warnings)
    corners = read.pictures[0].rgb[[0, 0, -1, -1], [0, -1, 0, -1]]
    assert corners.max() < 10


def test_large_pictures_are_accepted(cases: Path, tiny_weights: str) -> None:
    file = io.BytesIO()
    report = imfcodec.encode(cases / "gopro43.mp4", file, weights=tiny_weights, key_preset=8)
    assert report.display == (4000, 3000)
    assert imfcodec.inspect(io.BytesIO(file.getvalue())).frames == 5


def test_an_animated_webp_is_named(cases: Path) -> None:
    with pytest.raises(UnsupportedVideo, match="animated WebP"):
        Read(cases / "anim.webp")


def test_tracks(cases: Path) -> None:
    second = Read(cases / "two_video.mkv")
    assert (second.info.width, len(second.pictures)) == (128, 25)
    audible = Read(cases / "apac_first.mov")
    assert len(audible.packets) == 17
    assert any("cannot be decoded" in w for w in audible.warnings)


def test_the_mix_does_not_clip(cases: Path) -> None:
    samples, _ = Read(cases / "loud_st.mp4").sound
    inner = samples[4800:-4800]
    assert np.sqrt(np.square(inner).mean()) == pytest.approx(0.9 / 2**0.5, rel=0.02)
    assert np.abs(inner).max() < 0.99  # Opus at 8 kbps adds noise to the 0.92 of the mix


def test_opposite_phase_is_heard(cases: Path) -> None:
    read = Read(cases / "phase.mkv")
    assert np.sqrt(np.square(read.sound[0]).mean()) > 0.05
    assert any("mono mix would lose" in w for w in read.warnings)


def test_joined_recordings_keep_all_sound(cases: Path) -> None:
    read = Read(cases / "cat2.ts")
    assert len(read.pictures) == 90
    end = read.packets[-1].pts + read.packets[-1].duration
    assert end / 48000 == pytest.approx(6.02, abs=0.05)
    assert any("restarted once" in w for w in read.warnings)


def test_sound_before_the_picture_is_kept(cases: Path) -> None:
    read = Read(cases / "v_late.mkv")
    assert float(read.pictures[0].pts * read.info.time_base) == pytest.approx(0.5, abs=0.03)
    assert sum(packet.duration for packet in read.packets) >= 48000


def test_missing_frames_are_counted(cases: Path) -> None:
    cut = Read(cases / "annexb_cut_at_100000.mp4")
    assert len(cut.pictures) == 6
    assert any("745 frames and only 6" in w for w in cut.warnings)
    late = Read(cases / "no_initial_keyframe.ts")
    assert any("packets before the first key frame dropped" in w for w in late.warnings)


@pytest.mark.parametrize(
    ("name", "options"),
    [
        ("long_sound.mp4", {}),
        ("slow.mp4", {}),
        ("slow.mp4", {"keyframe_interval_s": 6.0, "layout": "whole"}),
    ],
)
def test_sound_is_whole_and_interleaved(
    cases: Path, tmp_path: Path, tiny_weights: str, name: str, options: dict[str, Any]
) -> None:
    stream, back = tmp_path / "a.imf", tmp_path / "a.mp4"
    imfcodec.encode(cases / name, stream, weights=tiny_weights, refine=0, key_preset=8, **options)
    with stream.open("rb") as file:
        reader = StreamReader(file)
        picture_s = sound_s = longest_s = 0.0
        before_s = 0.0  # of the picture packet before
        for packet in reader:
            match packet:
                case AudioPacket(pts, packets):
                    duration_s = sum(map(opus_packet_samples, packets)) / 48000
                    longest_s = max(longest_s, duration_s)
                    sound_s = pts / 48000 + duration_s
                case TokenPacket() | RunPacket():
                    before_s, picture_s = picture_s, float(packet.pts[-1] * reader.header.time_base)
                    assert sound_s <= picture_s + 1.1
                    assert sound_s >= before_s - 0.1
        assert longest_s <= 1
        assert sound_s == pytest.approx(25, abs=0.1)
    imfcodec.decode(stream, back)
    with av.open(str(back)) as video:
        ends = {"video": 0.0, "audio": 0.0}
        for packet in video.demux():
            if packet.size:
                ends[packet.stream.type] = float(packet.pts * packet.time_base)
                if name == "slow.mp4":
                    assert abs(ends["video"] - ends["audio"]) < 1.1
        assert ends["audio"] == pytest.approx(25, abs=0.1)


def test_three_flipped_bits(cases: Path, tmp_path: Path) -> None:
    report = imfcodec.decode(cases / "five_3flips.imf", tmp_path / "a.mp4", conceal=True)
    assert (report.frames, report.lost_frames, report.truncated) == (60, 17, False)
    assert report.duration_s == pytest.approx(5)
    whole = imfcodec.decode(cases / "five.imf", tmp_path / "b.mp4")
    assert (whole.frames, whole.lost_frames) == (60, 0)
    assert json.dumps(whole.damage) == "[]"
