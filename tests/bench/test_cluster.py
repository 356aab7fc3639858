"""The same jobs on a Ray instance of this machine."""

from __future__ import annotations

import dataclasses
import importlib.util
import sys
from collections.abc import Callable

import pytest

from imfcodec.bench.cluster import run_on_ray
from imfcodec.bench.job import Job, Outcome, measure
from imfcodec.errors import OptionError

MakeJob = Callable[..., Job]
needs_ray = pytest.mark.skipif(
    importlib.util.find_spec("ray") is None,
    reason="Ray is not installed: pip install 'imfcodec[cluster]'",
)


def untimed(outcome: Outcome) -> Outcome:
    point = dataclasses.replace(outcome.point, encode_s=0, decode_s=0)
    coded = outcome.coded and dataclasses.replace(outcome.coded, encode_s=0)
    return Outcome(point, coded)


@needs_ray
def test_a_cluster_gives_the_same_as_this_machine(make_job: MakeJob) -> None:
    jobs = [
        make_job("step16"),
        make_job("refuses"),
        make_job("step8"),
        make_job("step8", clip=1),
    ]
    # The file need not be there on the node: the clip travels.
    other = dataclasses.replace(make_job("step2"), version="steps 2")
    outcomes = {
        (job.clip.name, job.setting): untimed(outcome)
        for job, outcome in run_on_ray(iter([*jobs, other]), "local")
    }
    assert "the head's steps 2" in (outcomes.pop(("one", "step2")).point.error or "")
    assert outcomes == {(job.clip.name, job.setting): untimed(measure(job)) for job in jobs}


@needs_ray
def test_no_cluster_there() -> None:
    with pytest.raises(OptionError, match="no Ray cluster at 'auto'"):
        next(run_on_ray([], "auto"))


def test_ray_is_not_installed(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "ray", None)
    with pytest.raises(OptionError, match=r"imfcodec\[cluster\]"):
        next(run_on_ray([], "auto"))
