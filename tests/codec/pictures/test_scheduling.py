"""SVT-AV1 neither waits for ever nor keeps a raised scheduling class."""

from __future__ import annotations

import os
import threading
import time

import pytest

from imfcodec.codec.pictures import scheduling
from imfcodec.codec.pictures.scheduling import ATTEMPTS, watched
from imfcodec.errors import KeyframeCodecError


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
def test_both_threads_get_their_scheduling_class_back(monkeypatch: pytest.MonkeyPatch) -> None:
    policies = {0: os.SCHED_OTHER, os.getpid(): os.SCHED_OTHER}
    parameters = os.sched_getparam(0)
    monkeypatch.setattr(os, "sched_getscheduler", policies.__getitem__)
    monkeypatch.setattr(os, "sched_getparam", lambda who: parameters)
    monkeypatch.setattr(os, "sched_setscheduler", lambda who, new, _: policies.update({who: new}))
    with scheduling.same_scheduling_class():
        policies.update(dict.fromkeys(policies, os.SCHED_FIFO))
    assert set(policies.values()) == {os.SCHED_OTHER}


def test_what_is_done_meanwhile_takes_no_patience() -> None:
    here, seen = threading.current_thread(), []

    def meanwhile() -> None:
        seen.append(threading.current_thread() is here)
        time.sleep(1.5)

    assert watched(lambda: time.sleep(1.8), 1.2, meanwhile) is None
    assert seen
    assert all(seen)
