"""How late a picture is at the far end of a call.

    python benchmarks/experiments/live_call.py CLIP [SECONDS]

    capture ─ imfcodec encode - - ─ TCP socket ─ imfcodec decode - - ─ player

Both commands share the cores of this process, with one thread each for their networks. Capture
gives the frames of the clip again and again, each at its time. Prints what the first ten seconds
brought, and of the rest the median and the longest delay from capture to player, the longest pause
of the player, and how many frames the sender dropped.
"""

from __future__ import annotations

import io
import socket
import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from itertools import chain, cycle, islice
from pathlib import Path
from typing import IO

import numpy as np
from numpy.typing import NDArray

from imfcodec.bench.clip import Clip
from imfcodec.bitstream import StreamReader, frame_pts
from imfcodec.media import MediaWriter

SECONDS, START_S = 120.0, 10.0
COMMAND = [sys.executable, "-m", "imfcodec"]


def main() -> None:
    """One call."""
    clip = Clip.open(Path(sys.argv[1]))
    seconds = float(sys.argv[2]) if len(sys.argv) > 2 else SECONDS
    header, *frames = _y4m(clip)
    count, fps = round(seconds * clip.rate), float(clip.rate)
    encode = [*COMMAND, "encode", "-", "-", "--preset", "live", "--threads", "1", "--quiet"]
    decode = [*COMMAND, "decode", "-", "-", "--format", "rgb", "--threads", "1", "--quiet"]
    begun = time.monotonic()
    sender = subprocess.Popen(encode, stdin=subprocess.PIPE, stdout=subprocess.PIPE)
    receiver = subprocess.Popen(decode, stdin=subprocess.PIPE, stdout=subprocess.PIPE)
    assert sender.stdin
    assert sender.stdout
    assert receiver.stdin
    assert receiver.stdout
    stream = io.BytesIO()
    near, far = _connection()
    threads = [
        threading.Thread(target=_send, args=(sender.stdout, near)),
        threading.Thread(target=_receive, args=(far, receiver.stdin, stream)),
        threading.Thread(
            target=_capture, args=(header, islice(cycle(frames), count), fps, sender.stdin)
        ),
    ]
    for thread in threads:
        thread.start()
    shown = _shown(receiver.stdout, clip.width * clip.height * 3)
    for thread in threads:
        thread.join()
    _report(np.array(shown) - begun, _captured(stream), count)


def _y4m(clip: Clip) -> list[bytes]:
    """The header of a YUV4MPEG2 file, and its frames."""
    file = io.BytesIO()
    with MediaWriter(
        file,
        format="y4m",
        width=clip.width,
        height=clip.height,
        time_base=1 / clip.rate,
        rate=clip.rate,
    ) as writer:
        for pts, picture in enumerate(clip.pictures()):
            writer.write(pts, picture)
    header, data = file.getvalue().split(b"\n", 1)
    size = len(data) // clip.frames
    return [header + b"\n", *(data[n : n + size] for n in range(0, len(data), size))]


def _connection() -> tuple[socket.socket, socket.socket]:
    with socket.create_server(("127.0.0.1", 0)) as server:
        near = socket.create_connection(server.getsockname())
        near.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        return near, server.accept()[0]


def _send(file: IO[bytes], near: socket.socket) -> None:
    with near:
        while data := file.read1(1 << 16):  # type: ignore[attr-defined]
            near.sendall(data)


def _receive(far: socket.socket, file: IO[bytes], copy: io.BytesIO) -> None:
    with far, file:
        while data := far.recv(1 << 16):
            copy.write(data)
            file.write(data)
            file.flush()


def _capture(header: bytes, frames: Iterator[bytes], fps: float, file: IO[bytes]) -> None:
    """Each frame is there at its time; a full pipe delays the ones after it."""
    begun = time.monotonic()
    with file:
        for number, frame in enumerate(frames):
            time.sleep(max(0.0, begun + number / fps - time.monotonic()))
            file.write(header + frame if not number else frame)
            file.flush()


def _shown(file: IO[bytes], size: int) -> list[float]:
    times = []
    while len(file.read(size)) == size:
        times.append(time.monotonic())
    return times


def _captured(stream: io.BytesIO) -> NDArray[np.float64]:
    """When the frames of a stream were due, in seconds after the first."""
    stream.seek(0)
    reader = StreamReader(stream)
    packets = (frame_pts(packet) for packet in reader if hasattr(packet, "pts"))
    return np.array(list(chain.from_iterable(packets))) * float(reader.header.time_base)


def _report(shown: NDArray[np.float64], captured: NDArray[np.float64], count: int) -> None:
    if len(shown) != len(captured):
        raise SystemExit(f"{len(shown)} pictures of {len(captured)} frames")
    delays, later = 1000 * (shown - captured), captured >= START_S
    dropped = count - len(shown)
    early = round(START_S * count / (captured[-1] or 1)) - int((~later).sum())
    lines = {
        "frames captured": count,
        "first picture, s": f"{shown[0]:.2f}",
        "frames dropped, first 10 s": early,
        "frames dropped, later": dropped - early,
        "median delay, ms": f"{np.median(delays[later]):.0f}",
        "95 % of delays below, ms": f"{np.percentile(delays[later], 95):.0f}",
        "longest delay, ms": f"{delays[later].max():.0f}",
        "longest pause, ms": f"{1000 * np.diff(shown[later]).max():.0f}",
    }
    for name, value in lines.items():
        print(f"{name:26}", value)  # noqa: T201


if __name__ == "__main__":
    main()
