"""The loop: it learns, it resumes, it runs in two processes."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys
from pathlib import Path
from types import SimpleNamespace

import numpy as np
import pytest
import torch
from safetensors.torch import load_file

from imfcodec.config import FAST
from imfcodec.errors import InputUnreadable, OptionError, OutputFailed, Stopped
from imfcodec.training import checkpoint, landmarks, loop, pairs, tensor_file
from imfcodec.training.config import Stage, TrainConfig
from imfcodec.training.loop import train
from imfcodec.training.optical_flow import optical_flow
from imfcodec.training.shards import Shard
from tests.tiny import write_tiny_weights
from tests.training.samples import SMALL_JUDGE, small_run, write_shard


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
    assert all(0 < r["utilisation_percent"] < 200 for r in records(run))


@pytest.mark.parametrize(
    "change",
    [
        {},
        {"gan_start": 0.3, "r1_every": 2},
        {"motion": 5.0, "motion_start": 0.3, "renormalise": True, "structure": 1.0},
        {"precision": "fp16"},
        {"precision": "bf16"},
    ],
    ids=["plain", "gan", "motion", "fp16", "bf16"],
)
def test_resume_continues_bit_for_bit(shard: Path, tmp_path: Path, change: dict) -> None:
    config = small_run(**change)
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


def test_the_motion_term_comes_in_when_it_is_due(shard: Path, tmp_path: Path) -> None:
    train(small_run(motion=5.0, motion_start=0.5), shard, None, tmp_path / "run", device="cpu")
    first, last = records(tmp_path / "run")
    assert "motion" not in first
    assert last["motion"] > 0


def test_accumulation_counts_every_pair(shard: Path, tmp_path: Path) -> None:
    train(small_run(accumulate=2), shard, None, tmp_path / "a", device="cpu")
    assert records(tmp_path / "a")[-1]["step"] == 10


@pytest.mark.parametrize(
    "change", [{}, {"gan_start": 0.3, "motion": 5.0, "renormalise": True}], ids=["plain", "all"]
)
def test_two_processes_equal_one(shard: Path, tmp_path: Path, change: dict) -> None:
    """The same global batch through Gloo gives the same losses."""
    change = {"stages": (Stage(32, 8, 6), Stage(64, 8, 4)), **change}
    train(small_run(**change), shard, None, tmp_path / "one", device="cpu")
    code = (
        "import sys; from pathlib import Path; from imfcodec.training import loop;"
        "from imfcodec.training.loop import train;"
        "from tests.training.samples import NoMeter, small_run; a, b = map(Path, sys.argv[1:]);"
        "from imfcodec.training.config import Stage; loop.FlopMeter = NoMeter;"
        "from imfcodec.training import discriminator;"
        f"discriminator.CHANNELS = {SMALL_JUDGE};"
        f"train(small_run(**{change!r}), a, None, b, device='cpu')"
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


def test_the_clock_ends_the_schedule(
    shard: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """With ``minutes`` set the learning rate falls with time, and the run stops in time."""
    now = [0.0]

    class Clock:
        """Every look at it takes a second."""

        @staticmethod
        def monotonic() -> float:
            now[0] += 1
            return now[0]

    monkeypatch.setattr(loop, "time", Clock)
    config = small_run(stages=(Stage(32, 4, 1000),), minutes=1.0, log_steps=1, warmup_steps=1)
    train(config, shard, None, tmp_path / "run", device="cpu")
    rates = [r["learning_rate"] for r in records(tmp_path / "run")]
    assert 10 < len(rates) < 60
    assert rates == sorted(rates, reverse=True)
    assert rates[-1] < 0.1 * config.learning_rate
    # A second lease finds nothing left to do.
    train(config, shard, None, tmp_path / "run", device="cpu", resume=True)
    assert len(records(tmp_path / "run")) == len(rates)


def test_it_starts_from_the_weights_of_the_codec(shard: Path, tmp_path: Path) -> None:
    file = write_tiny_weights(tmp_path)
    train(small_run(), shard, None, tmp_path / "run", device="cpu", initial=file.path, minutes=0)
    begun = load_file(tmp_path / "run" / checkpoint.EMA_FILE)
    stored = load_file(file.path)
    for name, tensor in stored.items():
        if name.startswith("model."):
            assert torch.equal(begun["imf." + name.removeprefix("model.")], tensor.float()), name
    assert torch.allclose(begun["quantiser.log_step"].exp(), stored["entropy.step"])
    with pytest.raises(InputUnreadable, match="does not fit"):
        train(small_run(model=FAST), shard, None, tmp_path / "b", device="cpu", initial=file.path)


def test_landmarks_reach_the_optical_flow(
    shard: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Each pair's landmarks are those of its own frames, of a decoded reference's too."""
    copy = tmp_path / "shard"
    shutil.copytree(shard, copy)
    frames = json.loads((copy / "index.json").read_text())["frames"]
    known = np.repeat(np.arange(frames, dtype=np.float32)[:, None], landmarks.VALUES, 1)
    known.tofile(copy / landmarks.FILE)
    seen = []

    def spy(current: list, reference: list, points: list | None) -> object:
        assert points is not None
        for here, there, (p, q) in zip(current, reference, points, strict=True):
            assert np.array_equal(here, source.frames[int(p[0])])
            # A decoded reference is nearest to the frame that it was coded from.
            errors = [np.abs(there.astype(int) - f).mean() for f in source.frames]
            seen.append(errors[int(q[0])] - min(errors))
        return optical_flow(current, reference)

    source = Shard(copy)
    monkeypatch.setattr(pairs, "optical_flow", spy)
    sampler = pairs.PairSampler(source, small_run(decoded_references=0.5))
    sampler.draw(0, 16, 64, flow=True)
    # E_T sees the neighbour's flow as well, where the rate is measured.
    assert len(seen) == 16 + 4
    assert max(seen) < 1


def with_face(shard: Path, target: Path) -> Path:
    """A copy with a face in the middle of its even frames, and none in the others."""
    shutil.copytree(shard, target)
    known = np.full((json.loads((shard / "index.json").read_text())["frames"], 10), np.nan)
    known[::2] = [0.4, 0.4, 0.6, 0.4, 0.5, 0.5, 0.45, 0.6, 0.55, 0.6]
    known.astype(np.float32).tofile(target / landmarks.FILE)
    return target


def test_eyes_and_mouth_are_heavier(shard: Path, tmp_path: Path) -> None:
    source = Shard(with_face(shard, tmp_path / "shard"))
    config = small_run(affine=0.0)
    sampler = pairs.PairSampler(source, config)
    plan = sampler.plan(0, 16, 64, flow=False)
    weights = sampler.load(plan).weights
    assert weights.shape == (16, 1, 64, 64)
    assert torch.allclose(weights.mean((1, 2, 3)), torch.ones(16))
    faces = torch.tensor([p.current.frame % 2 == 0 for p in plan.picks])
    assert 0 < faces.sum() < 16
    assert (weights[~faces] == 1).all()
    assert torch.allclose(weights[faces, 0, 26, 20], 5 * weights[faces, 0, 5, 5])
    assert torch.allclose(weights[faces, 0, 38, 32], 5 * weights[faces, 0, 5, 5])
    # Plain weights leave the losses bit for bit as they are.
    plain = pairs.PairSampler(source, small_run(face_weight=1.0)).draw(0, 16, 64, flow=False)
    assert (plain.weights == 1).all()


@pytest.mark.parametrize("weight", [1.0, 5.0])
def test_it_trains_with_weights_of_faces(shard: Path, tmp_path: Path, weight: float) -> None:
    folder = with_face(shard, tmp_path / "shard")
    config = small_run(face_weight=weight, motion=5.0)
    figures = train(config, folder, None, tmp_path / "run", device="cpu")
    assert 0 < figures["l1"] < 1
    assert figures["motion"] > 0


def test_a_configuration_without_face_weight(shard: Path, tmp_path: Path) -> None:
    """Its run is resumed with the loss that it began with."""
    fields = json.loads(small_run().to_json())
    del fields["face_weight"]
    assert TrainConfig.from_json(json.dumps(fields)).face_weight == 1


def test_weights_and_biases(shard: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Records go to the project that was asked for; without the package it is said so."""
    logged = []

    class Run:
        def log(self, record: dict, step: int) -> None:
            logged.append((step, record["l1"]))

    def init(**options: object) -> Run:
        assert options["project"] == "heads"
        return Run()

    monkeypatch.setitem(sys.modules, "wandb", SimpleNamespace(init=init))
    train(small_run(), shard, None, tmp_path / "run", device="cpu", wandb="heads")
    assert [step for step, _ in logged] == [5, 10]
    monkeypatch.setitem(sys.modules, "wandb", None)
    with pytest.raises(OptionError, match="wandb"):
        train(small_run(), shard, None, tmp_path / "none", device="cpu", wandb="heads")


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

    monkeypatch.setattr(tensor_file, "save_file", full)
    with pytest.raises(OutputFailed, match="No space"):
        train(small_run(), shard, None, run, device="cpu", resume=True)
    assert (run / checkpoint.STATE_FILE).read_bytes() == before
    assert list(run.glob("*.part")) == []


def test_no_shard(tmp_path: Path) -> None:
    with pytest.raises(InputUnreadable, match="no training shard"):
        train(small_run(), tmp_path, None, tmp_path / "run", device="cpu")


def test_it_learns(shard: Path, tmp_path: Path) -> None:
    """The machinery as a whole: on its own clips the loss falls by a third in 60 steps."""
    config = small_run(
        stages=(Stage(32, 8, 60),),
        learning_rate=2e-3,
        log_steps=12,
        checkpoint_steps=1000,
        flow=0.0,  # a flat disc on a smooth ground: its optical flow misleads
        affine=0.0,
        recolour=0.0,
    )
    train(config, shard, None, tmp_path / "run", device="cpu")
    first, *_, last = records(tmp_path / "run")
    assert last["l1"] < 0.7 * first["l1"]


@pytest.mark.parametrize(
    "change",
    [
        {"stages": ()},
        {"precision": "fp8"},
        {"accumulate": 3},
        {"perceptual_net": "x"},
        {"face_weight": 0.5},
    ],
)
def test_bad_configuration(change: dict) -> None:
    with pytest.raises(OptionError):
        small_run(**change)
    with pytest.raises(OptionError):
        Stage(50, 4, 1)


def test_a_run_that_never_started_is_in_nobodys_way(shard: Path, tmp_path: Path) -> None:
    run = tmp_path / "run"
    with pytest.raises(InputUnreadable):
        train(small_run(), tmp_path / "no shard", None, run, device="cpu")
    with pytest.raises(OptionError, match="no checkpoint"):
        train(small_run(), shard, None, run, device="cpu", resume=True)
    changed = small_run(learning_rate=1e-3)
    train(changed, shard, None, run, device="cpu", minutes=0.0)
    assert TrainConfig.from_json((run / "config.json").read_text()) == changed


@pytest.mark.parametrize("stop", [KeyboardInterrupt(), Stopped(15)])
def test_an_interrupted_run_saves_what_it_has(
    shard: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, stop: BaseException
) -> None:
    def interrupted(*args: object) -> float:
        if args[0] == 3:
            raise stop
        return 1.0

    lines: list[str] = []
    run = tmp_path / "run"
    config = small_run(checkpoint_steps=100)
    with monkeypatch.context() as patch:
        patch.setattr(loop, "warm_cosine", interrupted)
        with pytest.raises(type(stop)):
            train(config, shard, None, run, device="cpu", say=lines.append)
    assert lines[-1] == f"stopped after step 3; the checkpoint is in {run}: go on with --resume"
    train(config, shard, None, run, device="cpu", resume=True)


def test_the_first_checkpoint_comes_soon(
    shard: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    steps: list[float] = []

    def note(folder: Path, modules: object, optimisers: object, numbers: dict) -> None:
        steps.append(numbers["step"])

    monkeypatch.setattr(loop, "save_state", note)
    monkeypatch.setattr(loop, "FIRST_CHECKPOINT_S", 0.0)
    train(small_run(checkpoint_steps=1000), shard, None, tmp_path / "run", device="cpu")
    assert steps[0] == 1
    assert len(steps) == 2


def test_lines_are_aligned_and_say_how_long(shard: Path, tmp_path: Path) -> None:
    lines: list[str] = []
    config = small_run(log_steps=1)
    train(config, shard, None, tmp_path / "run", device="cpu", say=lines.append)
    steps = [line for line in lines if line.startswith("step ")]
    assert len(steps) == config.steps
    assert steps[0].startswith(f"step {1:>{len(str(config.steps))}} of {config.steps}  0:00:")
    assert len({line.index("samples_per_s") for line in steps}) == 1
    assert len({line.index("learning_rate") for line in steps}) == 1
