"""Damage in a stream of runs and windows: each costs what depends on it, and no more."""

from __future__ import annotations

import dataclasses
import io
import time
from collections.abc import Iterator, Sequence
from fractions import Fraction
from pathlib import Path

import numpy as np
import pytest

import imfcodec
from imfcodec.bitstream import (
    EndPacket,
    KeyPacket,
    LayerPacket,
    Packet,
    PredictedKeyPacket,
    RunPacket,
    StreamReader,
    StreamWriter,
    Window,
    WindowEnd,
    frame_pts,
)
from imfcodec.codec.network import ENGINES
from imfcodec.codec.pictures.av1_video import encode_video
from imfcodec.config import DecodeOptions
from imfcodec.errors import ImfcodecError
from imfcodec.receiver import windows
from imfcodec.receiver.decoder import DecodedFrame
from imfcodec.receiver.report import DecodeReport
from imfcodec.sender import runs
from imfcodec.sender.layout import heads, placing
from imfcodec.weights import Weights
from tests.heads import OPTIONS, FakeFinder, Place, coded, loaded_weights, picture_of

SIZE = (128, 96)
COUNT = 24


def two_heads(n: int) -> list[Place]:
    """They stand in the left and in the right half of the picture."""
    return [(32, 48, 26), (96, 48, 24)]


@pytest.fixture(scope="module")
def loaded(tiny_folder: Path) -> Weights:
    return loaded_weights(tiny_folder)


@pytest.fixture(scope="module")
def stream(loaded: Weights) -> bytes:
    """Two runs of three packets each, and two windows with key frames of their own."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(heads, "FaceFinder", lambda: FakeFinder(two_heads))
        patch.setattr(placing, "CODED_SIDES", ((112, 64),))
        patch.setattr(runs, "PACKET_S", Fraction(4, 25))
        patch.setattr(runs, "RUN_S", Fraction(12, 25))
        options = dataclasses.replace(OPTIONS, keyframe_interval_s=0.28, predict_keys=True)
        return coded(loaded, two_heads, COUNT, options, SIZE)


class Simple:
    """A network that is quick: it adds the first value of the token to the reference."""

    batch = 8
    side_by_side = 2
    warnings = ()

    def restore(self, picture: np.ndarray, restoration: int = 0) -> np.ndarray:
        return picture ^ 1

    def restore_once(self, picture: np.ndarray, restoration: int = 0) -> np.ndarray:
        return picture ^ 2

    def reference(self, picture: np.ndarray, token: np.ndarray) -> np.ndarray:
        return picture

    def rebuild(self, reference: np.ndarray, tokens: np.ndarray) -> np.ndarray:
        return np.stack([reference + np.uint8(token[0] & 0x1F) for token in tokens])


@pytest.fixture(scope="module", autouse=True)
def simple_network() -> Iterator[None]:
    with pytest.MonkeyPatch.context() as patch:
        patch.setitem(ENGINES, "simple", lambda weights, quantiser, options: Simple())
        yield


def decoded(data: bytes, loaded: Weights) -> tuple[list[DecodedFrame], DecodeReport]:
    options = DecodeOptions(engine="simple")
    decoder = imfcodec.Decoder(io.BytesIO(data), options, loaded=loaded)
    return list(decoder), decoder.report


@pytest.fixture(scope="module")
def whole(stream: bytes, loaded: Weights) -> list[DecodedFrame]:
    frames, report = decoded(stream, loaded)
    assert len(frames) == COUNT
    assert (report.damage, report.lost) == ([], [])
    assert report.windows == {1: COUNT, 2: COUNT}
    return frames


def parts(stream: bytes) -> list[tuple[Packet, bytes]]:
    """The packets with their bytes."""
    reader = StreamReader(io.BytesIO(stream))
    begin, out = reader.sizes.total_bytes, []
    for packet in reader:
        out.append((packet, stream[begin : reader.sizes.total_bytes]))
        begin = reader.sizes.total_bytes
    return out  # type: ignore[return-value]


def header_of(stream: bytes) -> bytes:
    return stream[: len(stream) - sum(len(data) for _, data in parts(stream))]


def joined(stream: bytes, items: Sequence[tuple[Packet, bytes]]) -> bytes:
    return header_of(stream) + b"".join(data for _, data in items)


def window_of(stream: bytes, layer: int) -> Window:
    found = {p.window for p, _ in parts(stream) if isinstance(p, LayerPacket) and p.layer == layer}
    [window] = found - {None}
    assert window is not None
    return window


def without(picture: np.ndarray, window: Window) -> np.ndarray:
    """The picture with a black place where the window was."""
    out = picture.copy()
    out[window.rows, window.columns] = 0
    return out


LAYER_PACKETS = range(12)
"""At least so many packets of windows are in the stream."""


@pytest.mark.parametrize("number", LAYER_PACKETS)
def test_a_lost_packet_of_a_window_costs_that_window(
    stream: bytes, whole: list[DecodedFrame], loaded: Weights, number: int
) -> None:
    """The base and the other window stay as they are, bit by bit."""
    items = parts(stream)
    layered = [n for n, (p, _) in enumerate(items) if isinstance(p, LayerPacket)]
    assert len(layered) >= len(LAYER_PACKETS)
    lost = items.pop(layered[number])[0]
    assert isinstance(lost, LayerPacket)
    frames, report = decoded(joined(stream, items), loaded)
    assert [(f.number, f.pts, f.lost) for f in frames] == [(n, n, False) for n in range(COUNT)]
    assert report.lost == []
    window, first = window_of(stream, lost.layer), lost.packet.first_frame
    for frame, good in zip(frames, whole, strict=True):
        assert np.array_equal(without(frame.rgb, window), without(good.rgb, window))
        if frame.number < first:
            assert np.array_equal(frame.rgb, good.rgb)
    if not isinstance(lost.packet, WindowEnd):
        assert report.windows[3 - lost.layer] == COUNT
        assert report.windows.get(lost.layer, 0) <= COUNT - len(frame_pts(lost.packet))
        # What follows tells of it, if there is anything.
        last = first + len(frame_pts(lost.packet)) - 1
        lines = [line for line in report.damage if line.startswith(f"window {lost.layer}, frames")]
        assert len(lines) == len(report.damage)
        if last < COUNT - 1:
            names = f"{first} to {last}: lost" if first else f"from {last + 1}: depends on lost"
            assert names in lines[0]
        else:
            assert not lines


@pytest.mark.parametrize("where", [0.0, 0.1, 0.3, 0.5, 0.9, 1.0])
@pytest.mark.parametrize("place", [1, 2, 4])
def test_a_damaged_packet_within_a_run(
    stream: bytes, whole: list[DecodedFrame], loaded: Weights, place: int, where: float
) -> None:
    """Its frames and the rest of the run are lost, exactly; then all is well again."""
    items = parts(stream)
    places = [n for n, (p, _) in enumerate(items) if isinstance(p, RunPacket)]
    packet, data = items[places[place]]
    assert isinstance(packet, RunPacket)
    assert not packet.begins
    broken = bytearray(data)
    broken[round(where * (len(data) - 1))] ^= 0x24
    items[places[place]] = (packet, bytes(broken))
    frames, report = decoded(joined(stream, items), loaded)
    assert report.damage
    first, end = packet.first_frame, 12 if place < 3 else COUNT
    # If the length was hit, packets behind it may be lost up to the next mark.
    [(lost_first, lost_last)] = report.lost
    assert lost_first == first
    assert lost_last == end - 1
    assert [f.number for f in frames if f.lost] == list(range(first, end))
    for frame in frames[:first]:
        assert np.array_equal(frame.rgb, whole[frame.number].rgb)


@pytest.mark.parametrize("begins", [0, 1])
def test_a_lost_beginning_of_a_run_costs_the_run(
    stream: bytes, whole: list[DecodedFrame], loaded: Weights, begins: int
) -> None:
    items = parts(stream)
    places = [n for n, (p, _) in enumerate(items) if isinstance(p, RunPacket) and p.begins]
    del items[places[begins]]
    frames, report = decoded(joined(stream, items), loaded)
    assert report.lost == [(12 * begins, 12 * begins + 11)]
    if begins == 0:  # there is nothing yet to be repeated
        assert [f.number for f in frames] == list(range(12, 24))
        assert np.array_equal(frames[0].rgb, whole[12].rgb)
    else:
        assert [f.lost for f in frames] == [False] * 12 + [True] * 12


def test_a_unit_that_does_not_decode(stream: bytes, loaded: Weights) -> None:
    """The checksum is right; the frames before the bad unit are shown."""
    for bad in (b"\xff" * 9, b"\x12\x00"):
        file = io.BytesIO()
        reader = StreamReader(io.BytesIO(stream))
        writer = StreamWriter(file, reader.header)
        for packet in reader:
            if isinstance(packet, EndPacket):
                writer.finish(packet.end_pts)
            elif isinstance(packet, RunPacket) and packet.first_frame == 4:
                writer.write(dataclasses.replace(packet, units=(packet.units[0], bad)))
            else:
                writer.write(packet)  # type: ignore[arg-type]
        frames, report = decoded(file.getvalue(), loaded)
        assert report.lost == [(6, 11)]
        assert [f.lost for f in frames] == [False] * 6 + [True] * 6 + [False] * 12


def test_truncation(stream: bytes, whole: list[DecodedFrame], loaded: Weights) -> None:
    """What lies before the cut is shown as ever."""
    header, counts = len(header_of(stream)), []
    for cut in np.linspace(header, len(stream) - 1, 25).astype(int):
        frames, report = decoded(stream[:cut], loaded)
        assert report.truncated
        assert report.lost == []
        counts.append(len(frames))
        for frame, good in zip(frames, whole, strict=False):
            assert np.array_equal(frame.rgb, good.rgb)
    assert counts == sorted(counts)
    assert counts[0] == 0
    assert counts[-1] == COUNT


def test_windows_that_come_late_are_not_shown(
    stream: bytes, whole: list[DecodedFrame], loaded: Weights
) -> None:
    """Layer 2 comes after all of the base."""
    items = parts(stream)
    late = [item for item in items if getattr(item[0], "layer", 0) == 2]
    others = [item for item in items if item not in late]
    frames, report = decoded(joined(stream, [*others[:-1], *late, others[-1]]), loaded)
    assert len(frames) == COUNT
    assert report.windows == {1: COUNT}
    for frame, good in zip(frames, whole, strict=True):
        window = window_of(stream, 2)
        assert np.array_equal(without(frame.rgb, window), without(good.rgb, window))


def test_windows_that_come_one_frame_late(stream: bytes, loaded: Weights) -> None:
    """The first key packet of layer 2 follows the first run packet: its later frames are shown."""
    items = parts(stream)
    late = [item for item in items if getattr(item[0], "layer", 0) == 2]
    others = [item for item in items if item not in late]
    first = next(n for n, (p, _) in enumerate(others) if isinstance(p, RunPacket))
    frames, report = decoded(
        joined(stream, [*others[: first + 1], *late, *others[first + 1 :]]), loaded
    )
    assert len(frames) == COUNT
    assert report.windows == {1: COUNT, 2: COUNT - 4}


@pytest.mark.parametrize("limit", ["bytes", "packets"])
def test_packets_that_wait_are_bounded(
    stream: bytes, loaded: Weights, monkeypatch: pytest.MonkeyPatch, limit: str
) -> None:
    """Windows far ahead of the base: the oldest packets go, the base stays."""
    if limit == "bytes":
        monkeypatch.setattr(windows, "MAX_WAITING_BYTES", 200)
    else:
        monkeypatch.setattr(windows, "MAX_WAITING", 2)
    waiting: list[int] = []
    push = windows.WindowTrack.push

    def watch(self: windows.WindowTrack, packet: LayerPacket) -> None:
        push(self, packet)
        waiting.append(self._waiting_bytes if limit == "bytes" else len(self._waiting))

    monkeypatch.setattr(windows.WindowTrack, "push", watch)
    items = parts(stream)
    ahead = [item for item in items if isinstance(item[0], LayerPacket)]
    base = [item for item in items if item not in ahead]
    frames, report = decoded(joined(stream, [*ahead, *base]), loaded)
    assert max(waiting) <= (200 if limit == "bytes" else 2)
    assert any("too many packets wait" in line for line in report.damage)
    assert (len(frames), report.lost) == (COUNT, [])


def test_a_flood_of_packets_that_wait(loaded: Weights, stream: bytes) -> None:
    """Megabytes for a window that is never shown."""
    header = StreamReader(io.BytesIO(stream)).header
    run = next(p for p, _ in parts(stream) if isinstance(p, RunPacket))
    file = io.BytesIO()
    writer = StreamWriter(file, header)
    noise = np.random.default_rng(0).bytes(900_000)
    for n in range(20):
        key = KeyPacket(1000 + n, 1000 + n, b"", noise, b"c")
        writer.write(LayerPacket(1, key, Window(0, 0, 64, 64)))
    writer.write(run)
    writer.finish(1000)
    frames, report = decoded(file.getvalue(), loaded)
    assert len(frames) == len(run.pts)
    assert sum("too many packets wait" in line for line in report.damage) == 16


def stream_with(stream: bytes, changed: dict[int, LayerPacket]) -> bytes:
    """The stream with other packets in place of some of layer 1's."""
    reader = StreamReader(io.BytesIO(stream))
    file = io.BytesIO()
    writer = StreamWriter(file, reader.header)
    number = 0
    for packet in reader:
        if isinstance(packet, EndPacket):
            writer.finish(packet.end_pts)
            continue
        if isinstance(packet, LayerPacket) and packet.layer == 1:
            packet = changed.get(number, packet)
            number += 1
        writer.write(packet)  # type: ignore[arg-type]
    return file.getvalue()


def layer_one(stream: bytes) -> list[LayerPacket]:
    return [p for p, _ in parts(stream) if isinstance(p, LayerPacket) and p.layer == 1]


def test_a_predicted_key_of_another_size_is_lost(
    stream: bytes, whole: list[DecodedFrame], loaded: Weights
) -> None:
    """And the next one of the right size, which depends on the same base, is not."""
    items = layer_one(stream)
    number = next(n for n, p in enumerate(items) if isinstance(p.packet, PredictedKeyPacket))
    packet = items[number]
    window = dataclasses.replace(window_of(stream, 1), coded_side=128)
    data = stream_with(stream, {number: dataclasses.replace(packet, window=window)})
    frames, report = decoded(data, loaded)
    assert "another size than its base" in report.damage[0]
    assert report.windows[1] < report.windows[2] == COUNT
    place = window_of(stream, 1)
    for frame, good in zip(frames, whole, strict=True):
        assert np.array_equal(without(frame.rgb, place), without(good.rgb, place))


def test_a_damaged_key_of_another_size_does_not_end_the_window(
    stream: bytes, loaded: Weights
) -> None:
    """The key after it has the size of those before."""
    items = layer_one(stream)
    good = items[0]
    assert isinstance(good.packet, KeyPacket)
    bad = KeyPacket(8, 8, b"x", b"no picture", b"c")
    again = dataclasses.replace(good.packet, frame_number=9, pts=9, lead=())
    other = dataclasses.replace(window_of(stream, 1), coded_side=128)
    run, *rest = [p for p, _ in parts(stream) if isinstance(p, RunPacket)]
    file = io.BytesIO()
    writer = StreamWriter(file, StreamReader(io.BytesIO(stream)).header)
    writer.write(good)
    writer.write(LayerPacket(1, bad, other))
    writer.write(LayerPacket(1, again, good.window))
    for packet in (run, *rest):
        writer.write(packet)
    writer.finish(COUNT)
    _, report = decoded(file.getvalue(), loaded)
    assert [line[:24] for line in report.damage] == ["window 1, frames from 8:"]
    assert report.windows[1] == len(frame_pts(good.packet)) + 1


def test_windows_may_overlap(stream: bytes, loaded: Weights) -> None:
    items = layer_one(stream)
    shift = {
        n: dataclasses.replace(p, window=dataclasses.replace(p.window, left=40))
        for n, p in enumerate(items)
        if p.window
    }
    frames, report = decoded(stream_with(stream, shift), loaded)
    assert report.windows == {1: COUNT, 2: COUNT}
    assert len(frames) == COUNT
    assert not report.damage


@pytest.mark.parametrize("size", [(64, 64), (128, 128), (96, 128)])
def test_a_run_with_pictures_of_another_size(
    stream: bytes, loaded: Weights, size: tuple[int, int]
) -> None:
    """It is lost; the next one is not."""
    pictures = [picture_of(n, [], size) for n in range(6)]
    units = tuple(encode_video(pictures, Fraction(25), 50, 10))
    second = next(
        n
        for n, (p, _) in enumerate(parts(stream))
        if isinstance(p, RunPacket) and p.first_frame == 12
    )
    reader = StreamReader(io.BytesIO(stream))
    file = io.BytesIO()
    writer = StreamWriter(file, reader.header)
    writer.write(RunPacket(0, tuple(range(12)), units, 2))
    for packet, _ in parts(stream)[second:]:
        if isinstance(packet, RunPacket):
            writer.write(packet)
    writer.finish(COUNT)
    frames, report = decoded(file.getvalue(), loaded)
    assert report.lost == [(0, 11)]
    assert [f.number for f in frames] == list(range(12, COUNT))
    assert len(report.damage) == 1


@pytest.fixture(scope="module")
def survivors(stream: bytes, loaded: Weights) -> Iterator[list[float]]:
    """Seconds that each damaged stream took."""
    took: list[float] = []
    yield took
    assert max(took) < 20


@pytest.mark.parametrize("seed", range(8))
def test_random_damage(stream: bytes, loaded: Weights, seed: int, survivors: list[float]) -> None:
    """Bit flips, and packets that go, come twice or change places."""
    rng = np.random.default_rng(seed)
    for _ in range(25):
        items = parts(stream)
        for _ in range(int(rng.integers(1, 4))):
            a, b = (int(n) for n in rng.integers(0, len(items), 2))
            match rng.integers(4):
                case 0:
                    data = bytearray(items[a][1])
                    data[rng.integers(len(data))] ^= 1 << int(rng.integers(8))
                    items[a] = (items[a][0], bytes(data))
                case 1 if len(items) > 2:
                    del items[a]
                case 2:
                    items.insert(b, items[a])
                case _:
                    items[a], items[b] = items[b], items[a]
        begun = time.perf_counter()
        try:
            frames, report = decoded(joined(stream, items), loaded)
        except ImfcodecError:
            continue
        finally:
            survivors.append(time.perf_counter() - begun)
        stamps = [f.pts for f in frames]
        assert stamps == sorted(set(stamps))
        assert len(frames) <= 300
        assert {f.rgb.shape for f in frames} <= {(SIZE[1], SIZE[0], 3)}
        assert all(number <= len(frames) for number in report.windows.values())
