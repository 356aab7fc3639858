"""The loop: it learns, it resumes, it runs in two processes."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest
import torch
from safetensors.torch import load_file

from imfcodec.errors import InputUnreadable, OptionError, OutputFailed
from imfcodec.training import checkpoint
from imfcodec.training.config import Stage, TrainConfig
from imfcodec.training.loop import train
from tests.training.samples import small_run, write_shard


@pytest.fixture(scope="module")
def shard(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return write_shard(tmp_path_factory.mktemp("shard"))


def same(a: Path, b: Path) -> bool:
    """Whether two checkpoints hold the same bits."""
    left, right = load_file(a), load_file(b)
    return left.keys() == right.keys() and all(torch.equal(left[k], right[k]) for k in left)


def records(run: Path) -> list[dict[str, float]]:
    return [json.loads(line) for line in (run / "metrics.jsonl").read_text().splitlines()]


def test_a_run_leaves_what_it_promises(shard: Path, tmp_path: Path) -> None:
    run = tmp_path / "run"
    train(small_run(), shard, shard, run, device="cpu")
    assert TrainConfig.from_json((run / "config.json").read_text()) == small_run()
    assert (run / checkpoint.EMA_FILE).exists()
    assert (run / "samples.png").read_bytes().startswith(b"\x89PNG")
    assert (run / "tokens.png").read_bytes().startswith(b"\x89PNG")
    assert [r["step"] for r in records(run)] == [5, 10]
    needed = {"l1", "bits", "spread", "samples_per_s", "data_wait_percent", "val_psnr_db"}
    assert all(needed <= r.keys() for r in records(run))


@pytest.mark.parametrize("gan", [False, True])
def test_resume_continues_bit_for_bit(shard: Path, tmp_path: Path, gan: bool) -> None:
    config = small_run(gan_start=0.3 if gan else 1.0, r1_every=2)
    train(config, shard, None, tmp_path / "whole", device="cpu")

    def kill(line: str) -> None:
        raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        train(config, shard, None, tmp_path / "cut", device="cpu", say=kill)
    assert not same(
        tmp_path / "cut" / checkpoint.STATE_FILE, tmp_path / "whole" / checkpoint.STATE_FILE
    )
    train(config, shard, None, tmp_path / "cut", device="cpu", resume=True)
    for name in (checkpoint.EMA_FILE, checkpoint.STATE_FILE):
        assert same(tmp_path / "cut" / name, tmp_path / "whole" / name)


def test_accumulation_counts_every_pair(shard: Path, tmp_path: Path) -> None:
    train(small_run(accumulate=2), shard, None, tmp_path / "a", device="cpu")
    assert records(tmp_path / "a")[-1]["step"] == 10


def test_two_processes_equal_one(shard: Path, tmp_path: Path) -> None:
    """The same global batch through Gloo gives the same losses."""
    train(small_run(), shard, None, tmp_path / "one", device="cpu")
    code = (
        "import sys; from pathlib import Path; from imfcodec.training.loop import train;"
        "from tests.training.samples import small_run; a, b = map(Path, sys.argv[1:]);"
        "train(small_run(), a, None, b, device='cpu')"
    )
    script = tmp_path / "two.py"
    script.write_text(code)
    subprocess.run(
        [
            *(sys.executable, "-m", "torch.distributed.run", "--standalone"),
            *("--nproc-per-node", "2", str(script), str(shard), str(tmp_path / "two")),
        ],
        check=True,
        capture_output=True,
        env={**os.environ, "PYTHONPATH": os.pathsep.join(sys.path), "OMP_NUM_THREADS": "1"},
    )
    one = load_file(tmp_path / "one" / checkpoint.EMA_FILE)
    two = load_file(tmp_path / "two" / checkpoint.EMA_FILE)
    assert one.keys() == two.keys()
    for name in one:
        # Adam turns rounding of a gradient near zero into a step of either sign, so a few
        # entries differ by steps; as a whole the weights agree.
        assert (one[name] - two[name]).abs().mean() < 2e-4, name


def test_wrong_resume_names_the_field(shard: Path, tmp_path: Path) -> None:
    train(small_run(), shard, None, tmp_path / "run", device="cpu")
    with pytest.raises(OptionError, match="seed"):
        train(small_run(seed=7), shard, None, tmp_path / "run", device="cpu", resume=True)
    with pytest.raises(OptionError, match="holds a run"):
        train(small_run(), shard, None, tmp_path / "run", device="cpu")
    with pytest.raises(OptionError, match="nothing to resume"):
        train(small_run(), shard, None, tmp_path / "new", device="cpu", resume=True)


def test_no_gpu(shard: Path, tmp_path: Path) -> None:
    if torch.cuda.is_available():
        pytest.skip("there is one")
    with pytest.raises(OptionError, match="GPU"):
        train(small_run(), shard, None, tmp_path / "run", device="cuda")


def test_full_disk_keeps_the_old_checkpoint(
    shard: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    run = tmp_path / "run"
    train(small_run(), shard, None, run, device="cpu", minutes=0)
    before = (run / checkpoint.STATE_FILE).read_bytes()

    def full(*args: object) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(checkpoint, "save_file", full)
    with pytest.raises(OutputFailed, match="No space"):
        train(small_run(), shard, None, run, device="cpu", resume=True)
    assert (run / checkpoint.STATE_FILE).read_bytes() == before
    assert list(run.glob("*.part")) == []


def test_no_shard(tmp_path: Path) -> None:
    with pytest.raises(InputUnreadable, match="no training shard"):
        train(small_run(), tmp_path, None, tmp_path / "run", device="cpu")


def test_it_learns(shard: Path, tmp_path: Path) -> None:
    """The machinery as a whole: on its own clips the loss falls by a fifth in 80 steps."""
    config = small_run(
        stages=(Stage(64, 8, 80),), learning_rate=2e-3, log_steps=20, two_references=0.0
    )
    train(config, shard, None, tmp_path / "run", device="cpu")
    first, *_, last = records(tmp_path / "run")
    assert last["l1"] < 0.8 * first["l1"]


@pytest.mark.parametrize(
    "change", [{"stages": ()}, {"precision": "fp8"}, {"accumulate": 3}, {"perceptual_net": "x"}]
)
def test_bad_configuration(change: dict) -> None:
    with pytest.raises(OptionError):
        small_run(**change)
    with pytest.raises(OptionError):
        Stage(50, 4, 1)
