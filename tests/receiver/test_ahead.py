"""Work ahead of the frame that is shown: it overlaps, and nothing waits for what may never come."""

from __future__ import annotations

import io
import os
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from threading import Barrier, Event
from typing import IO

import numpy as np
import pytest

import imfcodec
from imfcodec.bitstream import FORMAT_LIMITS, Damage, SizeLedger, StreamReader, TokenPacket
from imfcodec.bitstream.framing import write_frame
from imfcodec.bitstream.packets import TYPE_EXTENSION
from imfcodec.codec import pace
from imfcodec.codec.network import ENGINES
from imfcodec.codec.upcoming import Upcoming
from imfcodec.config import DecodeOptions
from imfcodec.errors import DamagedStream, InputUnreadable, UnsupportedVersion
from imfcodec.media import MediaReader
from imfcodec.receiver import decoder as decoder_module
from imfcodec.receiver.decoder import DecodedFrame
from imfcodec.receiver.layer_decoder import LayerDecoder
from imfcodec.receiver.read_ahead import AHEAD_PACKETS, Absent, ReadAhead
from imfcodec.receiver.report import DecodeReport
from imfcodec.receiver.workers import Workers

PATIENCE_S = 20.0


class Slow:
    """A network that rebuilds only when it may, and tells when it has restored two key frames."""

    batch = 4
    side_by_side = 1
    warnings = ()

    def __init__(self) -> None:
        self.may_rebuild, self.restored_two = Event(), Event()
        self.restored = 0

    def restore(self, picture: np.ndarray, restoration: int = 0) -> np.ndarray:
        self.restored += 1
        if self.restored == 2:
            self.restored_two.set()
        return picture

    def restore_once(self, picture: np.ndarray, restoration: int = 0) -> np.ndarray:
        return picture

    def reference(self, picture: np.ndarray, token: np.ndarray) -> np.ndarray:
        return picture

    def rebuild(self, reference: np.ndarray, tokens: np.ndarray) -> np.ndarray:
        assert self.may_rebuild.wait(PATIENCE_S)
        return np.stack([reference] * len(tokens))


@pytest.fixture
def network(monkeypatch: pytest.MonkeyPatch) -> Slow:
    slow = Slow()
    monkeypatch.setitem(ENGINES, "slow", lambda weights, quantiser, options: slow)
    return slow


@pytest.fixture
def live(small_video: Path, tiny_weights: str) -> bytes:
    """Twelve frames, each sent at once, with a key frame every six."""
    file = io.BytesIO()
    options = {"weights": tiny_weights, "latency": "low", "keyframe_interval_s": 0.24}
    imfcodec.encode(small_video, file, scene_cut=False, **options)
    return file.getvalue()


@pytest.fixture
def pipe() -> Iterator[tuple[IO[bytes], IO[bytes]]]:
    read, write = os.pipe()
    with os.fdopen(read, "rb", buffering=0) as source, os.fdopen(write, "wb", buffering=0) as sink:
        yield source, sink


def ends_of_frames(stream: bytes) -> dict[int, int]:
    """Bytes of the stream up to the end of each frame."""
    reader, ends = StreamReader(io.BytesIO(stream)), {}
    for packet in reader:
        if not isinstance(packet, Damage) and hasattr(packet, "first_frame"):
            ends[packet.first_frame] = reader.sizes.total_bytes
    return ends


def test_frame_is_shown_before_the_next_arrives(
    live: bytes, pipe: tuple[IO[bytes], IO[bytes]]
) -> None:
    source, sink = pipe
    ends = ends_of_frames(live)
    assert [*ends] == [*range(12)]
    sink.write(live[: ends[0]])
    frames = iter(imfcodec.Decoder(source))
    with ThreadPoolExecutor(1) as pool:  # a frame that never comes fails the test
        for number in range(12):
            shown = pool.submit(next, frames).result(PATIENCE_S)
            assert isinstance(shown, DecodedFrame)
            assert shown.number == number
            sink.write(live[ends[number] : ends.get(number + 1)])
        sink.close()
        assert pool.submit(next, frames, None).result(PATIENCE_S) is None


class Weak(Slow):
    """A network that takes as long for a picture as three frames are shown."""

    def rebuild(self, reference: np.ndarray, tokens: np.ndarray) -> np.ndarray:
        time.sleep(0.12)
        return np.stack([reference] * len(tokens))


class Pairwise(Slow):
    """A network that rebuilds a frame only beside another; the later one is complete first."""

    side_by_side = 2

    def __init__(self) -> None:
        super().__init__()
        self.begun = Barrier(2)

    def rebuild(self, reference: np.ndarray, tokens: np.ndarray) -> np.ndarray:
        later = self.begun.wait(PATIENCE_S)
        time.sleep(0.02 * (1 - later))
        return np.stack([reference] * len(tokens))


def test_frames_that_come_alone_are_rebuilt_side_by_side(
    live: bytes, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setitem(ENGINES, "pairwise", lambda weights, quantiser, options: Pairwise())
    decoder = imfcodec.Decoder(io.BytesIO(live), DecodeOptions(engine="pairwise"))
    assert [frame.number for frame in decoder] == [*range(12)]


def test_late_frames_of_a_live_stream_repeat_the_picture_before(
    live: bytes, pipe: tuple[IO[bytes], IO[bytes]], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setitem(ENGINES, "weak", lambda weights, quantiser, options: Weak())
    monkeypatch.setattr(pace, "LOOKED_AT", 4)
    monkeypatch.setattr(decoder_module, "LATE_S", 0.1)
    source, sink = pipe
    ends = ends_of_frames(live)
    options = DecodeOptions(engine="weak")

    def send() -> None:
        begun = time.monotonic()
        for number in range(12):
            time.sleep(max(0.0, begun + 0.04 * number - time.monotonic()))
            sink.write(live[ends.get(number - 1, 0) : ends[number] if number < 11 else None])
        sink.close()

    with ThreadPoolExecutor(1) as pool:
        sent = pool.submit(send)
        decoder = imfcodec.Decoder(source, options)
        shown = [frame.number for frame in decoder]
        sent.result(PATIENCE_S)
    assert shown == [*range(12)]
    assert decoder.report.late > 0
    assert f"{decoder.report.late} frames were late" in decoder.report.warnings[-1]

    decoder = imfcodec.Decoder(io.BytesIO(live), options)
    assert len(list(decoder)) == 12
    assert decoder.report.late == 0


def test_a_held_picture_that_was_late_is_made_up_for() -> None:
    """Frames of one token: the first is late, so the next one is rebuilt instead of held."""
    network, report = Slow(), DecodeReport("tiny", "torch", SizeLedger())
    network.may_rebuild.set()
    token, workers = np.ones(16, np.int32), Workers(1)

    class Same:
        def decode(self, payload: bytes, count: int) -> np.ndarray:
            return np.stack([token] * count)

    layer = LayerDecoder(None, Same(), b"", network, workers, FORMAT_LIMITS, report)  # type: ignore[arg-type]
    old, new = np.zeros((2, 2, 3), np.uint8), np.ones((2, 2, 3), np.uint8)
    layer._token, layer._picture = token * 0, Upcoming(lambda: old)
    layer._reference = Upcoming(lambda: new)
    shown = []
    for number, late in enumerate((True, False, True)):
        [picture] = layer.take(
            TokenPacket(number, (number,), b"", None), lambda early, is_=late: is_
        )
        shown.append(picture.get())
    workers.stop()
    assert [int(picture.max()) for picture in shown] == [0, 1, 1]
    assert report.late == 1


def test_iteration_ends_while_the_pipe_is_open(
    live: bytes, pipe: tuple[IO[bytes], IO[bytes]]
) -> None:
    source, sink = pipe
    sink.write(live[: ends_of_frames(live)[3]])
    decoder = imfcodec.Decoder(source)
    begun = time.monotonic()
    for frame in decoder:
        if frame.number == 3:
            break
    assert time.monotonic() - begun < PATIENCE_S


def test_next_key_frame_is_restored_while_frames_before_it_are_rebuilt(
    live: bytes, network: Slow
) -> None:
    decoder = imfcodec.Decoder(io.BytesIO(live), DecodeOptions(engine="slow"))
    with ThreadPoolExecutor(1) as pool:
        frames = pool.submit(list, decoder)
        try:
            assert network.restored_two.wait(PATIENCE_S)
        finally:
            network.may_rebuild.set()
        assert len(frames.result(PATIENCE_S)) == 12


def test_what_the_network_raises_arrives(live: bytes, network: Slow) -> None:
    def broken(picture: np.ndarray, token: np.ndarray) -> None:
        raise MemoryError("too large")

    network.reference = broken  # type: ignore[method-assign]
    with pytest.raises(MemoryError, match="too large"):
        list(imfcodec.Decoder(io.BytesIO(live), DecodeOptions(engine="slow")))


class Failing(io.BytesIO):
    """A file that cannot be read to its end."""

    def read(self, size: int | None = -1, /) -> bytes:
        data = super().read(size)
        if not data:
            raise OSError("unplugged")
        return data


def test_what_arrived_before_a_connection_broke_is_shown(live: bytes, tmp_path: Path) -> None:
    ends = ends_of_frames(live)
    target = tmp_path / "a.mkv"
    with pytest.raises(DamagedStream, match="truncated"):
        imfcodec.decode(Failing(live[: ends[7]]), target)
    with MediaReader(target, audio="none") as reader:
        assert sum(1 for _ in reader.pictures()) == 8
    frames = imfcodec.Decoder(Failing(live[: ends[7]]))
    assert [frame.number for frame in frames] == [*range(8)]
    assert frames.report.truncated
    assert "unplugged" in frames.report.damage[0]
    with pytest.raises(InputUnreadable, match="unplugged"):
        next(iter(imfcodec.Decoder(Failing(live[: ends[0] - 1]))))


def test_frames_before_an_error_come_first(live: bytes) -> None:
    ends = ends_of_frames(live)
    newer = write_frame(TYPE_EXTENSION, b"\x2bX", with_mark=False)
    frames = iter(imfcodec.Decoder(io.BytesIO(live[: ends[7]] + newer)))
    assert [next(frames).number for _ in range(8)] == [*range(8)]
    with pytest.raises(UnsupportedVersion):
        next(frames)


class Endless:
    """A reader of packets without end."""

    class sizes:  # noqa: N801 - an attribute of the reader
        total_bytes = 0

    class header:  # noqa: N801
        time_base = 1

    def __init__(self, size_bytes: int) -> None:
        self.taken, self._size_bytes = 0, size_bytes

    def __next__(self) -> Damage:
        self.taken += 1
        self.sizes.total_bytes += self._size_bytes
        return Damage(self.taken, 0, "", False)


@pytest.mark.parametrize(("size_bytes", "most"), [(1, AHEAD_PACKETS), (1 << 21, 1)])
def test_little_is_read_ahead(size_bytes: int, most: int) -> None:
    reader = Endless(size_bytes)
    ahead = ReadAhead(reader, waits=True)  # type: ignore[arg-type]
    deadline = time.monotonic() + PATIENCE_S
    while reader.taken <= most and time.monotonic() < deadline:
        time.sleep(0.01)
    time.sleep(0.1)
    assert reader.taken == most + 1  # the last one is in its hands
    first = ahead.take(wait=True)
    assert first == Damage(1, 0, "", False)
    ahead.stop()


def test_absent_packets(live: bytes) -> None:
    ahead = ReadAhead(StreamReader(io.BytesIO(live)), waits=True)
    while not isinstance(ahead.take(wait=True), Absent):
        pass
    assert ahead.take(wait=False) is ahead.take(wait=True) is Absent.EVER
