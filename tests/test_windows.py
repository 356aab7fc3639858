"""From pictures with heads to a stream with windows, and back."""

from __future__ import annotations

import dataclasses
import io
import weakref
from collections.abc import Callable, Iterator
from fractions import Fraction
from pathlib import Path

import numpy as np
import pytest

import imfcodec
from imfcodec.bitstream import (
    AudioPacket,
    EndPacket,
    KeyPacket,
    LayerPacket,
    Packet,
    RunPacket,
    StreamReader,
    Window,
    WindowEnd,
)
from imfcodec.media import AudioPacketOut, OpusParameters
from imfcodec.receiver.composition import Composer
from imfcodec.receiver.decoder import DecodedFrame
from imfcodec.sender import encoder as encoder_module
from imfcodec.sender import runs
from imfcodec.sender.layout import placing
from imfcodec.sender.source_frame import SourceFrame
from imfcodec.weights import Weights
from tests.heads import (
    OPTIONS,
    FakeFinder,
    Place,
    Plan,
    coded,
    frames_of,
    loaded_weights,
    picture_of,
    placed,
)

FINDER = "imfcodec.sender.layout.heads.FaceFinder"
WHOLE = dataclasses.replace(OPTIONS, layout="whole", mode="imf")


def two_heads(n: int) -> list[Place]:
    """One walks from frame 30 on, one goes at frame 16."""
    return [(70 + 4 * min(max(0, n - 30), 14), 96, 40)] + [(240, 96, 50)] * (n < 16)


@pytest.fixture(scope="module")
def loaded(tiny_folder: Path) -> Weights:
    return loaded_weights(tiny_folder)


@pytest.fixture(scope="module", autouse=True)
def small_windows() -> Iterator[None]:
    """Windows are coded at half their usual size, which is quicker."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(placing, "CODED_SIDES", ((112, 64), (176, 96)))
        yield


@pytest.fixture
def finds(monkeypatch: pytest.MonkeyPatch) -> Callable[[Plan], None]:
    """Sets what the detector finds from now on."""

    def find(plan: Plan) -> None:
        monkeypatch.setattr(FINDER, lambda: FakeFinder(plan))

    return find


@pytest.fixture(scope="module")
def stream(loaded: Weights) -> bytes:
    """Sixty frames with two heads."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(FINDER, lambda: FakeFinder(two_heads))
        return coded(loaded, two_heads, 60)


def packets_of(stream: bytes) -> list[Packet]:
    return list(StreamReader(io.BytesIO(stream)))  # type: ignore[arg-type]


def decoded(stream: bytes, loaded: Weights) -> tuple[list[DecodedFrame], imfcodec.DecodeReport]:
    decoder = imfcodec.Decoder(io.BytesIO(stream), loaded=loaded)
    return list(decoder), decoder.report


def test_windows_are_where_the_heads_are(
    stream: bytes, loaded: Weights, monkeypatch: pytest.MonkeyPatch
) -> None:
    seen: list[dict[int, Window]] = []
    compose = Composer.compose

    def watch(self: Composer, base: np.ndarray, windows: dict, *, cut: bool) -> np.ndarray:
        seen.append({n: window for n, (window, _) in windows.items()})
        return compose(self, base, windows, cut=cut)

    monkeypatch.setattr(Composer, "compose", watch)
    frames, report = decoded(stream, loaded)
    assert seen == [p.windows for p in placed(two_heads, 60)]
    assert {len(windows) for windows in seen} == {1, 2}
    assert len({windows[2] for windows in seen}) == 2  # it moves once
    assert [(f.number, f.pts, f.lost) for f in frames] == [(n, n, False) for n in range(60)]
    assert (report.damage, report.lost, report.truncated) == ([], [], False)
    assert report.windows == {n: sum(n in windows for windows in seen) for n in (1, 2)}


def test_what_lies_outside_of_windows_is_the_picture(stream: bytes, loaded: Weights) -> None:
    frames, _ = decoded(stream, loaded)
    for frame, source in list(zip(frames, frames_of(two_heads, 60), strict=True))[::10]:
        outside = np.abs(frame.rgb[:30].astype(int) - source.picture[:30])
        assert outside.mean() < 15


def test_order_of_the_packets(stream: bytes) -> None:
    """A frame is complete in every window when its base comes; windows end where they should."""
    items = packets_of(stream)
    reached, ends, moves = 0, [], []
    for packet in items:
        match packet:
            case LayerPacket(layer, WindowEnd(number)):
                ends.append((layer, number))
            case LayerPacket(layer, inner, window):
                assert inner.first_frame >= reached
                if isinstance(inner, KeyPacket):
                    moves.append((layer, inner.first_frame, window))
            case RunPacket():
                assert packet.first_frame == reached
                assert packet.hold >= 2  # the base stands still
                reached += len(packet.pts)
    windows = [p.windows for p in placed(two_heads, 60)]
    gone = next(n for n, now in enumerate(windows) if 1 not in now)
    moved = next(n for n, now in enumerate(windows) if now[2] != windows[0][2])
    assert ends == [(1, gone)]
    assert {(1, 0, windows[0][1]), (2, 0, windows[0][2]), (2, moved, windows[-1][2])} <= {*moves}
    assert items[-1] == EndPacket(60, 60)
    assert reached == 60


def test_the_same_pictures_give_the_same_bytes(
    stream: bytes, loaded: Weights, finds: Callable[[Plan], None]
) -> None:
    finds(two_heads)
    assert coded(loaded, two_heads, 60) == stream


def test_times_may_be_irregular(loaded: Weights, finds: Callable[[Plan], None]) -> None:
    finds(two_heads)
    file = io.BytesIO()
    times = [40 * n + (n * n) % 17 + 900 * (n > 20) for n in range(32)]
    with imfcodec.Encoder(
        file, width=320, height=192, options=OPTIONS, time_base=Fraction(1, 1000), loaded=loaded
    ) as encoder:
        for pts, frame in zip(times, frames_of(two_heads, 32), strict=True):
            encoder.write(frame.picture, pts)
    frames, report = decoded(file.getvalue(), loaded)
    assert [f.pts for f in frames] == times
    assert report.windows[1] > 20
    assert not report.damage


def test_without_heads_the_base_is_alone(loaded: Weights, finds: Callable[[Plan], None]) -> None:
    for options in (OPTIONS, dataclasses.replace(OPTIONS, layout="auto")):
        finds(lambda n: [])
        stream = coded(loaded, lambda n: [], 20, options)
        assert [type(p) for p in packets_of(stream)] == [RunPacket, EndPacket]
        frames, report = decoded(stream, loaded)
        assert len(frames) == 20
        assert not report.windows


@pytest.mark.parametrize(("height", "fills"), [(40, False), (100, True)])
def test_a_head_that_fills_the_picture_needs_no_window(
    loaded: Weights, finds: Callable[[Plan], None], height: int, fills: bool
) -> None:
    plan: Plan = lambda n: [(160, 96, height)]  # noqa: E731
    finds(plan)
    stream = coded(loaded, plan, 30, dataclasses.replace(OPTIONS, layout="auto", mode="imf"))
    assert (packets_of(stream) == packets_of(coded(loaded, plan, 30, WHOLE))) == fills
    finds(plan)
    assert StreamReader(io.BytesIO(coded(loaded, plan, 5))).header.windows == 4


def test_number_of_windows(loaded: Weights, finds: Callable[[Plan], None]) -> None:
    plan: Plan = lambda n: [(60, 96, 40), (160, 96, 50), (260, 96, 30)]  # noqa: E731
    finds(plan)
    stream = coded(loaded, plan, 12, dataclasses.replace(OPTIONS, max_windows=2))
    assert StreamReader(io.BytesIO(stream)).header.windows == 2
    assert {p.layer for p in packets_of(stream) if isinstance(p, LayerPacket)} == {1, 2}


def test_low_latency_has_no_windows(loaded: Weights, finds: Callable[[Plan], None]) -> None:
    finds(two_heads)
    live = dataclasses.replace(OPTIONS, latency="low", layout="auto")
    stream = coded(loaded, two_heads, 8, live)
    assert stream == coded(
        loaded, two_heads, 8, dataclasses.replace(live, layout="whole", mode="imf")
    )
    assert StreamReader(io.BytesIO(stream)).header.windows == 0


def test_a_cut_begins_a_run_and_windows(loaded: Weights, finds: Callable[[Plan], None]) -> None:
    plan: Plan = lambda n: [(60, 96, 40)] if n < 20 else [(240, 96, 40)]  # noqa: E731
    finds(plan)
    file = io.BytesIO()
    with imfcodec.Encoder(file, width=320, height=192, options=OPTIONS, loaded=loaded) as encoder:
        for frame in frames_of(plan, 40):
            picture = frame.picture if frame.number < 20 else 255 - frame.picture
            picture[0, 0] = frame.number
            encoder.write(picture)
    items = packets_of(file.getvalue())
    assert [p.first_frame for p in items if isinstance(p, RunPacket) and p.begins] == [0, 20]
    keys = [p for p in items if isinstance(p, LayerPacket) and isinstance(p.packet, KeyPacket)]
    assert {p.window.left // 100 for p in keys if p.window and p.packet.first_frame >= 20} == {2}
    frames, _ = decoded(file.getvalue(), loaded)
    # Nothing of the old window fades over the new shot.
    assert (
        np.abs(frames[20].rgb[60:130, 30:90].astype(int) - frames[25].rgb[60:130, 30:90]).mean() < 6
    )


def test_shots_are_whole_or_have_windows(loaded: Weights, finds: Callable[[Plan], None]) -> None:
    plan: Plan = lambda n: [(160, 96, 100)] if 20 <= n < 40 else [(60, 96, 40)]  # noqa: E731
    finds(plan)
    options = dataclasses.replace(OPTIONS, layout="auto", mode="imf")
    file = io.BytesIO()
    with imfcodec.Encoder(file, width=320, height=192, options=options, loaded=loaded) as encoder:
        for frame in frames_of(plan, 60):
            picture = 255 - frame.picture if 20 <= frame.number < 40 else frame.picture
            picture[0, 0] = frame.number
            encoder.write(picture)
    assert encoder.report
    assert encoder.report.coded_as == {"windows": 40, "whole": 20}
    items = packets_of(file.getvalue())
    assert [p.first_frame for p in items if isinstance(p, RunPacket) and p.begins] == [0, 40]
    assert [p.first_frame for p in items if isinstance(p, KeyPacket)] == [20]
    ends = [p.packet.first_frame for p in items if isinstance(p, LayerPacket) if p.packet]
    assert 20 in ends
    frames, report = decoded(file.getvalue(), loaded)
    assert [f.number for f in frames] == list(range(60))
    assert (report.damage, report.lost) == ([], [])
    assert report.windows == {1: 40}
    # The window of the first shot does not lie over the second.
    place = np.s_[76:116, 40:80]
    ground = 255 - picture_of(21, [])[place]
    assert np.abs(frames[21].rgb[place].astype(int) - ground).mean() < 25


OPUS = OpusParameters(1, 312, b"OpusHead\x01\x01" + bytes(9))


def sound(count: int) -> list[AudioPacketOut]:
    return [AudioPacketOut(960 * n, b"\xf8\xff\xfe", 960) for n in range(count)]


def test_sound_between_pictures_is_in_order(
    loaded: Weights, finds: Callable[[Plan], None], monkeypatch: pytest.MonkeyPatch
) -> None:
    finds(two_heads)
    monkeypatch.setattr(runs, "PACKET_S", Fraction(1, 2))
    file = io.BytesIO()
    with imfcodec.Encoder(
        file, width=320, height=192, options=OPTIONS, loaded=loaded, audio=OPUS
    ) as encoder:
        for frame in frames_of(two_heads, 50):
            encoder.write(frame.picture)
            for packet in sound(100)[2 * frame.number : 2 * frame.number + 2]:
                encoder.write_audio(packet)
    items = packets_of(file.getvalue())
    audio = [p for p in items if isinstance(p, AudioPacket)]
    assert b"".join(b"".join(p.packets) for p in audio) == b"\xf8\xff\xfe" * 100
    assert len(audio) >= 2
    reached_s = 0.0
    for packet in items:
        match packet:
            case RunPacket():
                reached_s = packet.pts[-1] / 25
            case AudioPacket():
                assert reached_s  # nothing comes before the base
                assert abs(packet.pts / 48_000 - reached_s) <= 1


def test_much_sound_does_not_come_before_the_base(
    loaded: Weights, finds: Callable[[Plan], None]
) -> None:
    """Packets of windows are out, those of the base wait for their run, and sound goes on."""
    finds(two_heads)
    file = io.BytesIO()
    with imfcodec.Encoder(
        file, width=320, height=192, options=OPTIONS, loaded=loaded, audio=OPUS
    ) as encoder:
        for frame in frames_of(two_heads, 90):
            encoder.write(frame.picture)
        assert file.getvalue()
        for packet in sound(3100):  # a minute
            encoder.write_audio(packet)
    kinds = [type(p) for p in packets_of(file.getvalue())]
    assert kinds.index(AudioPacket) > kinds.index(RunPacket)


def test_giving_up_leaves_no_file(
    tmp_path: Path, loaded: Weights, finds: Callable[[Plan], None]
) -> None:
    finds(two_heads)
    encoder = imfcodec.Encoder(
        tmp_path / "a.imf", width=320, height=192, options=OPTIONS, loaded=loaded
    )
    for frame in frames_of(two_heads, 45):
        encoder.write(frame.picture)
    encoder.abort()
    assert not list(tmp_path.iterdir())


def test_memory_of_pictures_is_bounded(
    loaded: Weights, finds: Callable[[Plan], None], monkeypatch: pytest.MonkeyPatch
) -> None:
    """However long the video, no more pictures of display size wait than there is room for."""
    size, room = (640, 384), 5
    finds(lambda n: [(200, 200, 60)])
    monkeypatch.setattr(placing, "AHEAD_BYTES", room * 3 * size[0] * size[1])
    alive: list[weakref.ref[np.ndarray]] = []

    def noted(number: int, pts: int, picture: np.ndarray) -> SourceFrame:
        alive.append(weakref.ref(picture))
        return SourceFrame(number, pts, picture)

    monkeypatch.setattr(encoder_module, "SourceFrame", noted)
    encoder = imfcodec.Encoder(
        io.BytesIO(), width=size[0], height=size[1], options=OPTIONS, loaded=loaded
    )
    for n in range(40):
        encoder.write(picture_of(n, [(200, 200, 60)], size))
        assert sum(picture() is not None for picture in alive) <= room + 1
    encoder.abort()


def test_a_window_may_be_the_whole_picture(loaded: Weights, finds: Callable[[Plan], None]) -> None:
    plan: Plan = lambda n: [(48, 40, 90)]  # noqa: E731
    finds(plan)
    stream = coded(loaded, plan, 12, size=(96, 96))
    frames, report = decoded(stream, loaded)
    assert report.windows == {1: 12}
    assert frames[0].rgb.shape == (96, 96, 3)
