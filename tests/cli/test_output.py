from __future__ import annotations

import io
import json
import sys
from pathlib import Path

import click
import pytest

from imfcodec.cli import output
from imfcodec.cli.encode import encode
from imfcodec.cli.progress import job_progress, progress, stream_duration_s, video_duration_s
from imfcodec.cli.text import bytes_text
from imfcodec.errors import WeightsCorrupt


class Terminal(io.StringIO):
    def isatty(self) -> bool:
        return True


def test_json_has_no_infinity(capsys: pytest.CaptureFixture[str]) -> None:
    output.show_json({"a": float("inf"), "b": [float("nan"), 1.5], "c": {"d": (1,)}})
    assert json.loads(capsys.readouterr().out) == {"a": None, "b": [None, 1.5], "c": {"d": [1]}}


def test_an_error_is_one_line(capsys: pytest.CaptureFixture[str]) -> None:
    output.show_error(WeightsCorrupt("first\n  second"), as_json=False)
    assert capsys.readouterr().err == "imfcodec: error: first second\n"


def test_names_of_any_bytes(capsys: pytest.CaptureFixture[str]) -> None:
    output.show_rows([("file", "caf\udce9 [bold].mp4")])
    assert capsys.readouterr().out == "file  caf? [bold].mp4\n"


def never() -> float:
    raise AssertionError("a duration is looked up for nothing")


def on_terminal(monkeypatch: pytest.MonkeyPatch) -> Terminal:
    """Make stderr a terminal; a fixture could not, as pytest replaces stderr after it."""
    monkeypatch.setenv("TERM", "xterm")
    terminal = Terminal()
    monkeypatch.setattr(sys, "stderr", terminal)
    return terminal


def running(*words: str) -> click.Context:
    """The context of a command with such options."""
    return encode.make_context("encode", ["a.mp4", "a.imf", *words])


def test_progress_only_on_a_terminal(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sys, "stderr", io.StringIO())
    with running(), progress("encode", never) as advance:
        assert advance is None


@pytest.mark.parametrize("word", ["--json", "--quiet"])
def test_no_progress_if_not_wanted(monkeypatch: pytest.MonkeyPatch, word: str) -> None:
    on_terminal(monkeypatch)
    with running(word), progress("encode", never) as advance:
        assert advance is None


def test_no_progress_in_worker_processes(monkeypatch: pytest.MonkeyPatch) -> None:
    on_terminal(monkeypatch)
    with progress("encode", never) as advance:
        assert advance is None


@pytest.mark.parametrize("duration_s", [None, 2.0])
def test_progress(monkeypatch: pytest.MonkeyPatch, duration_s: float | None) -> None:
    terminal = on_terminal(monkeypatch)
    with running(), progress("encode", lambda: duration_s) as advance:
        assert advance is not None
        advance(25, 1.0)
    assert "encode" in terminal.getvalue()
    assert "25 frames" in terminal.getvalue()


def test_progress_of_jobs(monkeypatch: pytest.MonkeyPatch) -> None:
    terminal = on_terminal(monkeypatch)
    with running(), job_progress("bench") as advance:
        assert advance is not None
        advance(3, 10)
        advance(4, 10)
    assert "4/10" in terminal.getvalue()


def test_durations(clip: Path, stream: Path, tmp_path: Path) -> None:
    assert video_duration_s(clip) == pytest.approx(0.4)
    assert stream_duration_s(stream) == pytest.approx(0.4)
    for nothing in ("-", tmp_path, tmp_path / "missing", Path("/dev/null")):
        assert video_duration_s(nothing) is None
        assert stream_duration_s(nothing) is None
    assert video_duration_s(stream) is None
    assert stream_duration_s(clip) is None


@pytest.mark.parametrize(
    ("size_bytes", "text"), [(0, "0 B"), (9999, "9999 B"), (12_345, "12.3 kB"), (2e7, "20.0 MB")]
)
def test_bytes(size_bytes: int, text: str) -> None:
    assert bytes_text(size_bytes) == text
