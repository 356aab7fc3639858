"""SVT-AV1 neither waits for ever nor keeps a raised scheduling class."""

from __future__ import annotations

import os
import threading
import time
from fractions import Fraction
from pathlib import Path

import pytest

from imfcodec.codec.pictures import scheduling
from imfcodec.codec.pictures.av1_video import encode_video
from imfcodec.codec.pictures.scheduling import ATTEMPTS, watched
from imfcodec.errors import KeyframeCodecError
from tests.conftest import moving_picture


def test_a_call_that_hangs_is_begun_anew() -> None:
    release, calls = threading.Event(), []

    def work() -> str:
        calls.append(threading.current_thread())
        if len(calls) == 1:
            release.wait()
        return "coded"

    assert watched(work, 0.1) == "coded"
    assert len(calls) == 2
    assert all(thread.daemon for thread in calls)
    release.set()


def test_a_call_that_always_hangs_is_an_error() -> None:
    release, calls = threading.Event(), []

    def work() -> None:
        calls.append(1)
        release.wait()

    with pytest.raises(KeyframeCodecError, match="did not return"):
        watched(work, 0.02)
    assert len(calls) == ATTEMPTS
    release.set()


def test_errors_of_the_call_arrive() -> None:
    with pytest.raises(ZeroDivisionError):
        watched(lambda: 1 // 0, 1)


@pytest.mark.skipif(not hasattr(os, "sched_getscheduler"), reason="the system has no such classes")
def test_threads_keep_their_scheduling_class_and_new_ones_get_that_of_the_caller(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    caller, main, idle, new = 0, os.getpid(), 4711, 4712
    usual, raised = (os.SCHED_OTHER, 0), (os.SCHED_FIFO, 99)
    classes = {caller: usual, main: usual, idle: (os.SCHED_IDLE, 0)}
    (tmp_path / str(idle)).touch()
    monkeypatch.setattr(scheduling, "_THREADS", tmp_path)
    monkeypatch.setattr(os, "sched_getscheduler", lambda who: classes[who][0])
    monkeypatch.setattr(os, "sched_getparam", lambda who: os.sched_param(classes[who][1]))
    monkeypatch.setattr(
        os,
        "sched_setscheduler",
        lambda who, policy, param: classes.update({who: (policy, param.sched_priority)}),
    )
    with scheduling.usual_scheduling():
        (tmp_path / str(new)).touch()  # a thread that SVT-AV1 begins
        classes.update(dict.fromkeys((caller, main, idle, new), raised))
    assert classes == {caller: usual, main: usual, idle: (os.SCHED_IDLE, 0), new: usual}


@pytest.mark.skipif(not hasattr(os, "sched_getscheduler"), reason="the system has no such classes")
def test_a_turn_that_is_kept_is_waited_for_only_so_long(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(scheduling, "TURN_S", 0.05)
    entered = threading.Event()

    def open_as_well() -> None:
        with scheduling.usual_scheduling():
            entered.set()

    with scheduling.usual_scheduling():
        other = threading.Thread(target=open_as_well)
        other.start()
        assert entered.wait(5)
        other.join()
    with scheduling.usual_scheduling():
        pass


@pytest.mark.skipif(not scheduling._THREADS.is_dir(), reason="only Linux tells of its threads")
def test_nothing_runs_in_another_class_while_svt_av1_codes() -> None:
    usual, classes = os.sched_getscheduler(0), set()

    def look(pictures: int) -> None:
        threads = scheduling._THREADS.iterdir()
        classes.update(os.sched_getscheduler(int(thread.name)) for thread in threads)

    pictures = [moving_picture(n, 64, 64) for n in range(40)]
    units = encode_video(pictures, Fraction(25), 40, 8, look)
    assert len(units) == 40
    assert classes == {usual}


def test_what_is_done_meanwhile_takes_no_patience() -> None:
    here, seen = threading.current_thread(), []

    def meanwhile() -> None:
        seen.append(threading.current_thread() is here)
        time.sleep(1.5)

    assert watched(lambda: time.sleep(1.8), 1.2, meanwhile) is None
    assert seen
    assert all(seen)
