"""Several inputs in one command."""

from __future__ import annotations

import importlib.util
import json
import os
import shutil
import signal
import subprocess
import time
from collections.abc import Callable
from pathlib import Path

import pytest

from .conftest import Invoke, command, write_clip

FAST = ("--refine", "0", "--key-preset", "8", "--threads", "1")
Execute = Callable[..., "subprocess.CompletedProcess[bytes]"]


@pytest.fixture
def folder(tmp_path: Path, clip: Path) -> Path:
    """Two videos, and one that is none."""
    inside = tmp_path / "in"
    inside.mkdir()
    for name in ("one.mkv", "two.mkv"):
        shutil.copy(clip, inside / name)
    (inside / "broken.mp4").write_bytes(b"no video")
    (inside / "notes.txt").write_text("no video either")
    return inside


def test_a_folder_there_and_back(invoke: Invoke, folder: Path, tmp_path: Path) -> None:
    coded, back = tmp_path / "a" / "coded", tmp_path / "back"
    result = invoke(
        "encode", folder, "--output-dir", coded, "--layout", "whole", "--mode", "imf", *FAST
    )
    assert result.exit_code == 3  # that of the broken one
    assert sorted(p.name for p in coded.iterdir()) == ["one.imf", "two.imf"]
    lines = result.stdout.splitlines()
    assert len(lines) == 4
    assert lines[0].startswith("[1/3] ")
    assert "broken.mp4" in lines[0]
    assert "10 (1 key frame), 0.40 s" in lines[1]
    assert lines[3] == "3 files: 2 done, 1 failed"
    result = invoke("decode", coded, "--output-dir", back, "--format", "mkv", "--json")
    assert result.exit_code == 0
    record = json.loads(result.stdout)
    assert (record["done"], record["skipped"], record["failed"]) == (2, 0, 0)
    assert [r["frames"] for r in record["files"]] == [10, 10]
    assert sorted(p.name for p in back.iterdir()) == ["one.mkv", "two.mkv"]


def test_what_exists_is_skipped(invoke: Invoke, folder: Path, tmp_path: Path) -> None:
    (tmp_path / "one.imf").write_bytes(b"kept")
    args = ("encode", folder / "one.mkv", folder / "two.mkv", "--output-dir", tmp_path, *FAST)
    result = invoke(*args)
    assert result.exit_code == 7
    assert "use --overwrite" in result.stdout
    (tmp_path / "two.imf").unlink()
    result = invoke(*args, "--skip-existing")
    assert result.exit_code == 0
    assert result.stdout.splitlines()[-1] == "2 files: 1 done, 1 skipped"
    assert (tmp_path / "one.imf").read_bytes() == b"kept"


def test_a_damaged_stream_among_others(
    invoke: Invoke, stream: Path, damaged: Path, tmp_path: Path
) -> None:
    result = invoke("decode", stream, damaged, "--output-dir", tmp_path / "out")
    assert result.exit_code == 14
    assert "4 frames lost" in result.stdout
    assert len(list((tmp_path / "out").iterdir())) == 2


def test_jobs_give_the_same_bytes(
    invoke: Invoke, execute: Execute, folder: Path, tmp_path: Path
) -> None:
    invoke("encode", folder, "--output-dir", tmp_path / "alone", *FAST)
    run = execute("encode", folder, "--output-dir", tmp_path / "side", "--jobs", 2, *FAST)
    assert run.returncode == 3
    assert run.stdout.decode().splitlines()[-1] == "3 files: 2 done, 1 failed"
    for name in ("one.imf", "two.imf"):
        assert (tmp_path / "side" / name).read_bytes() == (tmp_path / "alone" / name).read_bytes()


@pytest.mark.skipif(importlib.util.find_spec("ray") is None, reason="Ray is not installed")
def test_a_cluster_gives_the_same_bytes(invoke: Invoke, folder: Path, tmp_path: Path) -> None:
    invoke("encode", folder, "--output-dir", tmp_path / "alone", *FAST)
    result = invoke("encode", folder, "--output-dir", tmp_path / "far", "--ray", "local", *FAST)
    assert result.exit_code == 3
    for name in ("one.imf", "two.imf"):
        assert (tmp_path / "far" / name).read_bytes() == (tmp_path / "alone" / name).read_bytes()


@pytest.mark.parametrize(
    ("args", "message"),
    [
        (("a.mp4",), "name one input and one output"),
        (("a.mp4", "b.mp4", "c.imf"), "--output-dir"),
        (("a.mp4", "a.imf", "--jobs", "2"), "--jobs needs --output-dir"),
        (("a.mp4", "a.imf", "--ray", "auto"), "--ray needs --output-dir"),
        (("a.mp4", "a.imf", "--skip-existing"), "--skip-existing needs --output-dir"),
        (("a.mp4", "x/a.mov", "--output-dir", "o"), "would both be written to"),
        (("-", "--output-dir", "o"), "not '-'"),
        (("a.mp4", "a.imf", "--from", "1:2:3:4"), "no time such as"),
        (("a.mp4", "a.imf", "--from", "9", "--to", "3"), "empty"),
    ],
)
def test_wrong_arguments(invoke: Invoke, args: tuple[str, ...], message: str) -> None:
    result = invoke("encode", *args)
    assert result.exit_code == 2
    assert message in result.stderr
    as_json = invoke("encode", *args, "--json")
    assert as_json.exit_code == 2
    assert message in json.loads(as_json.stderr.splitlines()[-1])["message"]


def test_an_unknown_option_obeys_json(invoke: Invoke) -> None:
    result = invoke("encode", "--bogus", "--json", "a", "b")
    assert result.exit_code == 2
    assert json.loads(result.stderr.splitlines()[-1])["error"] == "UsageError"
    assert not invoke("encode", "--bogus", "a", "b").stderr.rstrip().endswith("}")


def test_a_part_of_a_video(invoke: Invoke, clip: Path, tmp_path: Path) -> None:
    path = tmp_path / "part.imf"
    result = invoke("encode", clip, path, "--from", "0.08", "--to", "0:00.28", "--json", *FAST)
    assert result.exit_code == 0
    record = json.loads(result.stdout)
    assert record["frames"] == 5
    assert record["duration_s"] == pytest.approx(0.2)
    result = invoke("encode", clip, path, "--from", "7", "--overwrite")
    assert result.exit_code == 5
    assert "no picture between 7 s and the end" in result.stderr


def test_input_and_output_are_one_file(invoke: Invoke, clip: Path, tmp_path: Path) -> None:
    source = tmp_path / "a.imf"
    shutil.copy(clip, source)
    link, hard = tmp_path / "b.imf", tmp_path / "c.imf"
    link.symlink_to(source)
    os.link(source, hard)
    for target in (source, link, hard, tmp_path / "x" / ".." / "a.imf"):
        (tmp_path / "x").mkdir(exist_ok=True)
        result = invoke("encode", source, target, "--overwrite")
        assert result.exit_code == 2
        assert "same file" in result.stderr
        assert invoke("decode", source, target, "--overwrite").exit_code == 2
    assert source.read_bytes() == clip.read_bytes()


def test_a_stream_is_not_named_like_a_video(invoke: Invoke, clip: Path, tmp_path: Path) -> None:
    target = tmp_path / "out.mp4"
    result = invoke("encode", clip, target)
    assert result.exit_code == 2
    assert "--format imf" in result.stderr
    assert not target.exists()
    assert invoke("encode", clip, target, "--format", "imf", *FAST).exit_code == 0
    assert target.read_bytes().startswith(b"\x89IMF")


def test_decode_with_named_weights(invoke: Invoke, stream: Path, tmp_path: Path) -> None:
    target = tmp_path / "a.mkv"
    assert invoke("decode", stream, target, "--weights", "tiny").exit_code == 0
    assert invoke("decode", stream, target, "--weights", "none", "--overwrite").exit_code == 20


def test_ctrl_c_stops_all_processes(
    folder: Path, tmp_path: Path, environment: dict[str, str]
) -> None:
    for name in ("one.mkv", "two.mkv"):
        write_clip(folder / name, 1500)
    args = ("encode", folder, "--output-dir", tmp_path / "out", "--jobs", 2, "--refine", 100)
    process = subprocess.Popen(
        command(*args), env=environment, start_new_session=True, stderr=subprocess.PIPE
    )
    time.sleep(6)
    os.killpg(process.pid, signal.SIGINT)
    process.communicate(timeout=60)
    assert process.returncode == 130
    assert list((tmp_path / "out").glob("*")) == []
    for _ in range(50):  # the last helper process ends a moment after its parent
        try:
            os.killpg(process.pid, 0)
        except ProcessLookupError:
            break
        time.sleep(0.1)
    else:
        pytest.fail("a process is left")
