"""What only a process of its own shows: pipes that break, signals, closed streams."""

from __future__ import annotations

import ctypes
import json
import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path

import pytest

from .conftest import FRAMES, STREAM_OPTIONS, command

pytestmark = pytest.mark.skipif(os.name != "posix", reason="pipes and signals of POSIX")

Execute = Callable[..., subprocess.CompletedProcess[bytes]]


def test_from_pipe_to_pipe(execute: Execute, clip: Path, stream: Path) -> None:
    encoded = execute("encode", "-", "-", *STREAM_OPTIONS, stdin=clip.read_bytes())
    assert encoded.returncode == 0, encoded.stderr
    assert encoded.stdout == stream.read_bytes()
    decoded = execute("decode", "-", "-", "--format", "rgb", "--json", stdin=encoded.stdout)
    assert decoded.returncode == 0, decoded.stderr
    assert len(decoded.stdout) == FRAMES * 64 * 64 * 3
    assert json.loads(decoded.stderr)["frames"] == FRAMES


@pytest.mark.parametrize("args", [("info",), ("decode", "--format", "rgb")], ids=str)
def test_nobody_reads(args: tuple[str, ...], stream: Path, environment: dict[str, str]) -> None:
    reader, writer = os.pipe()
    os.close(reader)
    target = ("-",) if args[0] == "decode" else ()
    run = subprocess.run(
        command(args[0], stream, *target, *args[1:]),
        stdout=writer,
        stderr=subprocess.PIPE,
        env=environment,
        check=False,
    )
    os.close(writer)
    assert run.returncode == 8
    assert run.stderr == b"imfcodec: error: standard output: Broken pipe\n"


def test_closed_standard_streams(environment: dict[str, str]) -> None:
    shell = " ".join(command("info", "-")) + " <&-"
    run = subprocess.run(shell, shell=True, capture_output=True, env=environment, check=False)
    assert (run.returncode, run.stderr) == (3, b"imfcodec: error: standard input is closed\n")


def wait_until_idle(pid: int) -> None:
    """Until a process has used no time for a second: it waits for its input."""
    deadline, used, since = time.monotonic() + 60, -1, time.monotonic()
    while time.monotonic() - since < 1:
        assert time.monotonic() < deadline
        time.sleep(0.05)
        fields = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
        now = int(fields[11]) + int(fields[12])  # user and system time
        if now != used:
            used, since = now, time.monotonic()


@pytest.mark.parametrize(("number", "exit_code"), [(signal.SIGINT, 130), (signal.SIGTERM, 143)])
def test_signals_leave_nothing(
    number: signal.Signals, exit_code: int, environment: dict[str, str], tmp_path: Path
) -> None:
    """Stopped while libav waits for a pipe, where PyAV would lose a KeyboardInterrupt."""
    target = tmp_path / "a.imf"
    with subprocess.Popen(
        command("encode", "-", target),
        stdin=subprocess.PIPE,
        stderr=subprocess.PIPE,
        env=environment,
    ) as process:
        wait_until_idle(process.pid)
        process.send_signal(number)
        try:
            assert process.wait(30) == exit_code
        finally:
            process.kill()
        assert process.stderr is not None
        assert process.stderr.read() == b""
    assert list(tmp_path.iterdir()) == []


def test_signal_while_a_stream_pauses(
    stream: Path, environment: dict[str, str], tmp_path: Path
) -> None:
    """Another thread then waits for the pipe; neither it nor the pipe keeps the program."""
    data = stream.read_bytes()
    with subprocess.Popen(
        command("decode", "-", tmp_path / "a.mkv"),
        stdin=subprocess.PIPE,
        stderr=subprocess.PIPE,
        env=environment,
    ) as process:
        assert process.stdin is not None
        process.stdin.write(data[: len(data) * 2 // 3])
        process.stdin.flush()
        wait_until_idle(process.pid)
        process.send_signal(signal.SIGINT)
        try:
            assert process.wait(30) == 130
        finally:
            process.kill()
        assert process.stderr is not None
        assert process.stderr.read() == b""
    assert list(tmp_path.iterdir()) == []


HEAPS = """
import ctypes, sys, threading
from imfcodec.cli.startup import share_one_heap
if sys.argv[1] == "shared":
    share_one_heap()
barrier = threading.Barrier(4)
def use():
    block = bytearray(5000)
    barrier.wait()
threads = [threading.Thread(target=use) for _ in range(4)]
[thread.start() for thread in threads]
[thread.join() for thread in threads]
libc = ctypes.CDLL(None)
libc.malloc_info(0, ctypes.c_void_p.in_dll(libc, "stdout"))
libc.fflush(None)
"""


@pytest.mark.skipif(not hasattr(ctypes.CDLL(None), "malloc_info"), reason="not glibc")
def test_threads_share_one_heap() -> None:
    def heaps(word: str) -> int:
        words = [sys.executable, "-c", HEAPS, word]
        return subprocess.run(words, capture_output=True, check=True).stdout.count(b"<heap nr=")

    assert heaps("shared") == 1
    assert heaps("apart") > 1


LIGHT = """
import sys
from imfcodec.cli.startup import without_meta_kernels
without_meta_kernels()
import torch
assert "torch._decomp" not in sys.modules
x = torch.rand(1, 3, 8, 8, requires_grad=True)
torch.nn.functional.conv2d(x, torch.rand(4, 3, 3, 3)).sum().backward()
assert x.grad is not None
without_meta_kernels()
"""


def test_torch_works_without_meta_kernels() -> None:
    subprocess.run([sys.executable, "-c", LIGHT], check=True)
