"""How the reader treats the file: pipes, failures, declared sizes."""

from __future__ import annotations

import io
import tracemalloc
from dataclasses import replace

import pytest

from imfcodec.bitstream import Damage, Limits, StreamReader
from imfcodec.bitstream.framing import SYNC_MARK
from imfcodec.errors import InputUnreadable, LimitExceeded

from .samples import (
    AUDIO,
    HEADER,
    PACKETS,
    damages,
    frame_bytes,
    packets,
    read_stream,
    write_stream,
)

STREAM = write_stream()
ONE_KEY = write_stream(PACKETS[:1], 1512)[:-6]
"""Header and key packet, without the end packet of six bytes."""


class Pipe:
    """A file that can only be read, in short pieces, and notes what was asked of it."""

    def __init__(self, data: bytes, piece_bytes: int = 1) -> None:
        self._file = io.BytesIO(data)
        self._piece_bytes = piece_bytes
        self.position = 0
        self.largest_request = 0

    def read(self, size: int, /) -> bytes:
        self.largest_request = max(self.largest_request, size)
        data = self._file.read(min(size, self._piece_bytes))
        self.position += len(data)
        return data


@pytest.mark.parametrize("piece_bytes", [1, 2, 7, 1000])
def test_short_reads(piece_bytes: int) -> None:
    assert list(StreamReader(Pipe(STREAM, piece_bytes))) == read_stream(STREAM)


@pytest.mark.parametrize("piece_bytes", [1, 3])
def test_short_reads_through_damage(piece_bytes: int) -> None:
    data = STREAM[:60] + b"\xff" * 10 + STREAM[70:]
    assert damages(read_stream(data))
    assert list(StreamReader(Pipe(data, piece_bytes))) == read_stream(data)


def test_nothing_is_read_ahead() -> None:
    """A live packet comes out as soon as its last byte is there."""
    pipe = Pipe(STREAM, piece_bytes=1000)
    reader = StreamReader(pipe)
    for _ in PACKETS:
        next(reader)
        assert pipe.position == reader.sizes.total_bytes


@pytest.mark.parametrize(
    ("coded", "reason"),
    [
        (b"\xa2\x80\x80\x01", "token packet of 262148 bytes, the limit is 262144"),
        (b"\xfb\xff\xff\xff\xff\xff\xff\xff\xff\x01", "audio packet of"),
        (b"\x8d\x04", "end packet of 65 bytes, the limit is 64"),
        (b"\x8e\x80\x80\x04", "predicted key packet of 1048577 bytes"),
        (b"\x8f\x80\x80\x04", "extension packet of"),
        (SYNC_MARK + b"\x89\x80\x80\x04", "key packet of 1048577 bytes"),
    ],
)
def test_declared_sizes_above_the_limit_take_no_memory(coded: bytes, reason: str) -> None:
    pipe = Pipe(ONE_KEY + coded, piece_bytes=100)
    items = list(StreamReader(pipe))
    assert isinstance(items[1], Damage)
    assert items[1].reason.startswith(reason)
    assert items[1].truncated
    assert pipe.largest_request <= 4096


def test_declared_sizes_above_the_file_take_no_memory() -> None:
    pipe = Pipe(ONE_KEY + SYNC_MARK + b"\x81\x80\x80\x04", 100)
    [damage] = damages(StreamReader(pipe))
    assert damage.reason == "the file ends within a key packet"
    assert pipe.largest_request <= 65536


@pytest.mark.parametrize(
    ("limits", "lost"),
    [
        (Limits(max_key_bytes=20), 0),
        (Limits(max_token_bytes=11), 1),
        (Limits(max_predicted_key_bytes=15), 7),
        (Limits(max_audio_bytes=10), 2),
        (Limits(max_frames_per_packet=2), 1),
        (Limits(max_audio_per_packet=2), 2),
    ],
)
def test_lower_limits(limits: Limits, lost: int) -> None:
    items = list(StreamReader(io.BytesIO(STREAM), limits))
    assert "the limit is" in damages(items)[0].reason
    assert packets(items)[:lost] == list(PACKETS[:lost])
    assert PACKETS[lost] not in items


def test_lower_header_limits() -> None:
    with pytest.raises(LimitExceeded):
        StreamReader(io.BytesIO(STREAM), Limits(max_header_bytes=10))
    with pytest.raises(LimitExceeded):
        StreamReader(io.BytesIO(STREAM), Limits(max_key_config_bytes=1))


class Failing(Pipe):
    """A file that fails after a while."""

    def __init__(self, data: bytes, error: Exception) -> None:
        super().__init__(data)
        self._error = error

    def read(self, size: int, /) -> bytes:
        data = super().read(size)
        if not data:
            raise self._error
        return data


@pytest.mark.parametrize("kept", [0, 5, 20, 50, 80, len(STREAM) - 1])
@pytest.mark.parametrize("error", [OSError(5, "Input/output error"), ValueError("closed file")])
def test_failing_file(kept: int, error: Exception) -> None:
    with pytest.raises(InputUnreadable, match=f"at byte {kept}"):
        list(StreamReader(Failing(STREAM[:kept], error)))


def test_file_that_would_block() -> None:
    class Idle:
        def read(self, size: int, /) -> None:
            return None

    with pytest.raises(InputUnreadable, match="no data ready"):
        StreamReader(Idle())


def test_memory_stays_bounded_while_searching() -> None:
    class Noise:
        """64 MiB that begin like a stream and hold no packet."""

        def __init__(self) -> None:
            self._head = io.BytesIO(STREAM[:-20] + b"\xff" * 20)
            self._left_bytes = 64 << 20

        def read(self, size: int, /) -> bytes:
            if data := self._head.read(size):
                return data
            count = min(size, self._left_bytes)
            self._left_bytes -= count
            return bytes(count)

    tracemalloc.start()
    try:
        [damage] = damages(StreamReader(Noise()))
        peak_bytes = tracemalloc.get_traced_memory()[1]
    finally:
        tracemalloc.stop()
    assert damage.length_bytes > 64 << 20
    assert peak_bytes < 1 << 20


def test_iteration_goes_on_where_it_stopped() -> None:
    reader = StreamReader(io.BytesIO(STREAM))
    first = next(iter(reader))
    assert [first, *reader] == read_stream(STREAM)


def test_unknown_audio_codec_is_passed_on() -> None:
    stream = write_stream(header=replace(HEADER, audio=replace(AUDIO, codec=77)))
    reader = StreamReader(io.BytesIO(stream))
    assert reader.header.audio is not None
    assert reader.header.audio.codec == 77
    assert not damages(reader)


def test_frame_bytes_helper_agrees() -> None:
    assert frame_bytes(b"\x0d", b"\x0b") == STREAM[-6:]
