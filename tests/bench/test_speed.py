"""Speed: what is measured adds up, and nothing of the measuring process gets in."""

from __future__ import annotations

import dataclasses
import json
import os
import runpy
import subprocess
import sys
import time
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch

from imfcodec.bench.clip import Clip
from imfcodec.bench.codecs.anchors import x264
from imfcodec.bench.report import write_report
from imfcodec.bench.speed import (
    SpeedResult,
    SpeedRow,
    Stage,
    measure,
    measure_speed,
    real_time,
)
from imfcodec.bench.speed import memory as memory_module
from imfcodec.bench.speed.commands import (
    AnchorCommand,
    OurCommand,
    decode_anchor,
    decode_ours,
    encode_anchor,
    encode_ours,
)
from imfcodec.bench.speed.network_parts import PARTS, timed_parts
from imfcodec.codec.network import EXPORTED
from imfcodec.config import DecodeOptions
from imfcodec.errors import ImfcodecError, OptionError
from imfcodec.model.imf import IMF
from imfcodec.weights import FOLDER_VARIABLE
from tests.bench.samples import sample_results
from tests.tiny import TINY, tiny_model

ROW = SpeedRow(
    "imfcodec [fast]",
    True,
    "decode",
    "cpu",
    2,
    frames=100,
    wall_s=4.0,
    rate_kbps=3.25,
    peak_memory_bytes=300 << 20,
    stages=(Stage("read", 1.5), Stage("alignment", 10.0, True), Stage("frame decoder", 15.0, True)),
)
RESULT = SpeedResult("anna", 256, 256, 100, "a machine", (ROW,))


def test_speeds_follow_from_times() -> None:
    assert ROW.fps == 25
    assert ROW.network_fps == 40
    assert ROW.other_ms_per_frame == pytest.approx(13.5)


def test_the_file_holds_the_result(tmp_path: Path) -> None:
    RESULT.save(tmp_path / "speed.json")
    record = json.loads((tmp_path / "speed.json").read_text())
    assert record.pop("format") == "imfcodec-speed-1"
    assert record == json.loads(json.dumps(dataclasses.asdict(RESULT)))


def test_report_shows_the_speed(tmp_path: Path) -> None:
    results = dataclasses.replace(sample_results(), points=())
    written = write_report(results, tmp_path, speed=RESULT)
    assert tmp_path / "speed.json" in written
    page = written[-1].read_text("utf-8")
    assert "decode imfcodec [fast]" in page
    assert '<th scope="col" class="number">alignment</th>' in page
    assert ">13.50</td>" in page


@pytest.mark.usefixtures("portrait")
def test_our_commands_account_for_their_time(
    small_video: Path, tmp_path: Path, tiny_weights: str
) -> None:
    command = OurCommand(Clip.open(small_video), tiny_weights, "cpu", 1, tmp_path)
    encoded, decoded = encode_ours(command), decode_ours(command)
    assert encoded.frames == decoded.frames == 12
    assert encoded.rate_kbps == pytest.approx(decoded.rate_kbps)
    for row in (encoded, decoded):
        spent = sum(stage.ms_per_frame for stage in row.stages) + row.other_ms_per_frame
        wall_ms = pytest.approx(1000 * row.wall_s / row.frames, rel=0.02)
        assert spent == wall_ms or (row is decoded and spent > 1000 * row.wall_s / row.frames)
        assert all(stage.ms_per_frame < 1000 * row.wall_s / row.frames for stage in row.stages)
        assert row.network_fps is not None
        assert row.network_fps > row.fps
    assert {"read", "key frame", "token encoder", "entropy"} <= {s.name for s in encoded.stages}
    network = [stage for stage in decoded.stages if stage.network]
    assert [stage.name for stage in network] == [*PARTS, "rest of the network"]
    assert all(stage.ms_per_frame > 0 for stage in network)


def test_an_anchor_is_decoded_from_what_it_wrote(small_video: Path, tmp_path: Path) -> None:
    clip = Clip.open(small_video)
    command = AnchorCommand(clip, x264(threads=1), "crf40", 1, tmp_path)
    row, encoded = encode_anchor(command)
    assert row.rate_kbps == pytest.approx(8 * encoded.size_bytes / clip.duration_s / 1000)
    # A busy machine may take time away between the stages, but not every time.
    rows = [decode_anchor(command, encoded) for _ in range(3)]
    assert all([stage.name for stage in row.stages] == ["decode", "write"] for row in rows)
    assert min(row.other_ms_per_frame * row.fps for row in rows) < 0.1 * 1000
    encoded.path.unlink()
    with pytest.raises(ImfcodecError):
        decode_anchor(command, encoded)


def test_hooks_time_each_block_and_go_away() -> None:
    model = tiny_model()
    token = torch.zeros(1, TINY.token_size)
    picture = torch.zeros(1, 3, 64, 64)
    with timed_parts("cpu") as times, torch.inference_mode():
        model(token, model.restore(picture), token)
    assert set(times.milliseconds) == set(PARTS)
    before = dict(times.milliseconds)
    with torch.inference_mode():
        model(token, picture, token)
    assert times.milliseconds == before


def test_blocks_in_several_threads_share_the_time() -> None:
    model = tiny_model()
    begin = time.perf_counter()
    with timed_parts("cpu") as times, ThreadPoolExecutor(3) as workers:
        list(workers.map(lambda _: rebuilt_once(model), range(24)))
    elapsed_ms = 1e3 * (time.perf_counter() - begin)
    assert set(times.milliseconds) == set(PARTS)
    assert 0 < sum(times.milliseconds.values()) <= elapsed_ms


@torch.inference_mode()
def rebuilt_once(model: IMF) -> None:
    token = torch.zeros(1, TINY.token_size)
    model(token, model.restore(torch.zeros(1, 3, 64, 64)), token)


def test_peak_memory_is_that_of_the_process_alone() -> None:
    """What the parent holds does not count; what the process itself held once does."""
    held = np.ones(30_000_000)  # 240 MB
    code = (
        "import runpy, sys; peak = runpy.run_path(sys.argv[1])['peak_memory_bytes']\n"
        "print(peak()); block = bytearray(b'x') * 80_000_000; del block; print(peak())"
    )
    done = subprocess.run(
        [sys.executable, "-c", code, str(memory_module.__file__)],
        capture_output=True,
        text=True,
        check=True,
    )
    before, after = map(int, done.stdout.split())
    assert before < held.nbytes / 2
    assert after > before + 60_000_000
    assert runpy.run_path(str(memory_module.__file__))["peak_memory_bytes"]() > held.nbytes


@pytest.mark.parametrize("threads", [(), (0,), (1, -2)])
def test_threads_must_be_given(small_video: Path, threads: tuple[int, ...]) -> None:
    with pytest.raises(OptionError):
        measure_speed(small_video, threads=threads)


def test_each_number_of_threads_is_measured_with_all_codecs(
    small_video: Path, tiny_weights: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """In this process: new ones take seconds each."""
    cores: list[int] = []

    def here(threads: int, run: Callable[..., Any], *args: Any) -> Any:
        cores.append(threads)
        return run(*args)

    monkeypatch.setattr(measure, "alone", here)
    said: list[str] = []
    result = measure_speed(small_video, weights=tiny_weights, threads=(1, 2), progress=said.append)
    assert (result.clip, result.frames) == ("small", 12)
    assert [(row.ours, row.task) for row in result.rows] == 2 * [
        (True, "encode"),
        (True, "decode"),
        (False, "encode"),
        (False, "decode"),
        (False, "encode"),
        (False, "decode"),
    ]
    assert [row.threads for row in result.rows] == cores == 6 * [1] + 6 * [2]
    assert len(said) == 8
    assert all(row.fps > 0 for row in result.rows)


def test_a_command_has_a_process_and_its_cores_to_itself() -> None:
    if not hasattr(os, "sched_getaffinity"):
        assert measure.alone(1, os.getpid) != os.getpid()
        return
    before = os.sched_getaffinity(0)
    assert len(measure.alone(1, os.sched_getaffinity, 0)) == 1
    assert os.sched_getaffinity(0) == before


def test_an_end_without_an_answer_is_an_error_of_ours() -> None:
    with pytest.raises(ImfcodecError, match="abruptly"):
        measure.alone(1, os._exit, 3)


@pytest.mark.usefixtures("portrait")
def test_real_time_of_commands_as_users_run_them(
    small_video: Path, tiny_folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Only the commands have processes of their own here: the face finder is a fake."""
    monkeypatch.setenv(FOLDER_VARIABLE, str(tiny_folder))
    monkeypatch.setattr(real_time, "alone", lambda threads, run, *args: run(*args))
    (row,) = real_time.measure_real_time([small_video], weights="tiny", threads=1)
    assert (row.clip, row.width, row.height, row.frames, row.rate_fps) == ("small", 64, 64, 12, 25)
    assert row.encode_fps.keys() == {"fast", "default"}
    assert all(fps > 12 / 60 for fps in row.encode_fps.values())
    for playing in (*row.decoding.values(), *row.live_decoding.values()):
        assert playing.fps > 12 / 60
        assert playing.memory_bytes > 50 << 20
        assert 0.1 < playing.first_picture_s < 60
        assert playing.longest_gap_s >= 1 / 25 - 0.01
    assert row.decoding.keys() == row.live_decoding.keys() == {"torch", *EXPORTED}
    assert len(set(row.decoding.values())) == 3
    assert 0 < row.longest_live_s < row.frames / row.live_fps
    assert row.x264_fps > row.live_fps


def test_a_command_that_fails_says_why(small_video: Path, tmp_path: Path) -> None:
    broken = tmp_path / "broken.imf"
    broken.write_bytes(b"no stream")
    options = DecodeOptions(threads=1)
    with pytest.raises(ImfcodecError, match="begins with 6e 6f"):
        real_time._decode(broken, tmp_path / "a.mp4", options)
    with pytest.raises(ImfcodecError, match="begins with 6e 6f"):
        real_time._play(Clip.open(small_video), broken, options)
