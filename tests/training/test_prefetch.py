"""Batches are the same whoever plans them."""

from __future__ import annotations

import multiprocessing
from pathlib import Path

import pytest
import torch

from imfcodec.training.loop import train
from imfcodec.training.pairs import PairSampler, Plan
from imfcodec.training.prefetch import ahead, prepared, workers_for
from imfcodec.training.shards import Shard
from tests.training.samples import small_run, write_shard


@pytest.fixture(scope="module")
def shard(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return write_shard(tmp_path_factory.mktemp("shard"))


def same(a: Plan, b: Plan) -> bool:
    assert a.flow is not None
    assert b.flow is not None
    assert a.neighbour_flow is not None
    assert b.neighbour_flow is not None
    flows = torch.equal(a.flow, b.flow) and torch.equal(a.neighbour_flow, b.neighbour_flow)
    return a.picks == b.picks and a.looks == b.looks and flows


def test_processes_plan_what_one_would(shard: Path) -> None:
    sampler = PairSampler(Shard(shard), small_run())
    requests = [(step, 4, 64, True, (0, 1)) for step in range(7)]
    before = torch.get_rng_state()
    alone = list(prepared(sampler, requests, 0))
    together = list(prepared(sampler, requests, 2))
    assert torch.equal(torch.get_rng_state(), before)
    assert len(alone) == len(together) == 7
    assert all(same(a, b) for a, b in zip(alone, together, strict=True))
    assert not same(alone[0], alone[1])


def black(shard: Shard) -> bool:
    return len(shard.refs) > 0 and not shard.refs.any() and bool(shard.frames.any())


def test_a_shard_travels_as_its_files(tmp_path: Path) -> None:
    """References shown instead of the decoded ones are shown in another process as well."""
    source = Shard(write_shard(tmp_path / "shard"))
    shown = tmp_path / "references.u8"
    shown.write_bytes(bytes(source.refs.nbytes))
    with multiprocessing.get_context("spawn").Pool(1) as pool:
        assert pool.map(black, [source]) == [False]
        source.show_references(shown)
        assert pool.map(black, [source]) == [True]


def test_training_with_workers_is_training_without(shard: Path, tmp_path: Path) -> None:
    one = train(small_run(), shard, None, tmp_path / "one", device="cpu")
    two = train(small_run(), shard, None, tmp_path / "two", device="cpu", workers=1)
    assert one["l1"] == two["l1"]


@pytest.mark.parametrize("workers", [0, 1])
def test_what_fails_in_a_process_fails_here(workers: int) -> None:
    results = ahead(prepared([1, 2], range(3), workers))
    assert [next(results), next(results)] == [1, 2]
    with pytest.raises(IndexError):
        next(results)


def test_a_gpu_gets_workers(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("os.cpu_count", lambda: 16)
    assert workers_for("cpu", 1) == 0
    assert workers_for("cuda:0", 1) == 15
    assert workers_for("cuda:0", 4) == 3
    assert workers_for("cuda:0", 32) == 1
