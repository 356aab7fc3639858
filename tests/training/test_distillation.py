"""A student: near its teacher from the beginning, and trained where it differs."""

from __future__ import annotations

import dataclasses
import json
from pathlib import Path

import pytest
import torch
from click.testing import CliRunner
from safetensors.torch import load_file

from imfcodec.cli.main import imfcodec as command
from imfcodec.config import ModelConfig
from imfcodec.errors import OptionError
from imfcodec.model.imf import IMF
from imfcodec.training import checkpoint
from imfcodec.training.loop import train
from imfcodec.training.narrowing import narrow
from imfcodec.weights import load_weights
from tests.tiny import TINY, tiny_model, write_tiny_weights
from tests.training.samples import small_run, write_shard

WIDE = dataclasses.replace(
    TINY,
    attention_blocks=(1, 1, 1),
    attention_pooling=1,
    narrow_up=None,
    narrow_aligned=None,
    narrow_inner=None,
    narrow_features=None,
)
WHOLE = dataclasses.replace(
    WIDE,
    narrow_up=(16, 16, 16, 8),
    narrow_aligned=(16, 16),
    narrow_inner=(16, 8),
    narrow_features=(16, 8, 4),
)
"""Projections that keep every channel."""

PICTURE = torch.rand(1, 3, 64, 64, generator=torch.Generator().manual_seed(1))
TOKENS = torch.randn(8, TINY.token_size, generator=torch.Generator().manual_seed(2))


def rebuild(model: IMF) -> torch.Tensor:
    with torch.inference_mode():
        reference = model.reference(PICTURE, TOKENS[:1])
        return model.reconstruct(TOKENS, reference.expand(len(TOKENS))).picture


def student(teacher: IMF, config: ModelConfig) -> IMF:
    model = IMF(config).eval()
    narrow(teacher, model, rebuild)
    return model


@pytest.mark.parametrize("config", [WIDE, WHOLE])
def test_a_student_that_keeps_everything_is_its_teacher(config: ModelConfig) -> None:
    teacher = tiny_model(config=WIDE)
    assert (rebuild(student(teacher, config)) - rebuild(teacher)).abs().max() < 2e-4


def test_a_narrow_student_begins_near_its_teacher() -> None:
    """Nearer by far than one that only takes what fits."""
    teacher = tiny_model(config=WIDE)
    config = dataclasses.replace(TINY, decoder_channels=(16, 8, 6))
    taught, untaught = student(teacher, config), IMF(config).eval()
    sizes = {k: v.shape for k, v in untaught.state_dict().items()}
    fitting = {k: v for k, v in teacher.state_dict().items() if sizes.get(k) == v.shape}
    untaught.load_state_dict(fitting, strict=False)
    target = rebuild(teacher)
    near, far = ((rebuild(m) - target).square().mean() for m in (taught, untaught))
    assert near < far / 4


def test_other_tokens_are_no_students() -> None:
    with pytest.raises(OptionError, match="more than the decoder"):
        student(tiny_model(config=WIDE), dataclasses.replace(TINY, token_size=8))


def test_a_student_learns_and_its_tokens_stay(tmp_path: Path) -> None:
    shard = write_shard(tmp_path / "shard")
    teacher = write_tiny_weights(tmp_path / "weights", config=WIDE)
    run = tmp_path / "run"
    config = small_run(model=TINY, motion=1.0)
    figures = train(config, shard, None, run, device="cpu", teacher=teacher.path)
    assert {"teacher", "teacher_warp", "teacher_maps"} <= figures.keys()

    taught = load_file(run / checkpoint.EMA_FILE)
    given = load_weights(str(teacher.path))
    before = {f"imf.{k}": v for k, v in given.model.state_dict().items()}
    changed = {k for k in before.keys() & taught.keys() if not torch.equal(taught[k], before[k])}
    assert all(k.startswith(("imf.frame_decoder.", "imf.alignments.2.")) for k in changed)
    assert "imf.frame_decoder.painting.weight" in changed

    export = ["train", "export", str(run), "--to", str(tmp_path / "out"), "--json"]
    result = CliRunner().invoke(command, [*export, "--tables", str(teacher.path)])
    assert result.exit_code == 0, result.output
    exported = load_weights(json.loads(result.stdout)["path"])
    ours, theirs = (w.tables.to_arrays() for w in (exported, given))
    assert ours.keys() == theirs.keys()
    assert all((ours[k] == theirs[k]).all() for k in ours)
    assert CliRunner().invoke(command, export).exit_code == OptionError.exit_code


def test_a_student_resumes(tmp_path: Path) -> None:
    """Bit for bit as if it had not stopped."""
    shard = write_shard(tmp_path / "shard")
    teacher = write_tiny_weights(tmp_path / "weights", config=WIDE).path
    whole, parts = tmp_path / "whole", tmp_path / "parts"
    train(small_run(), shard, None, whole, device="cpu", teacher=teacher)
    train(small_run(), shard, None, parts, device="cpu", teacher=teacher, minutes=0.001)
    train(small_run(), shard, None, parts, device="cpu", teacher=teacher, resume=True)
    left, right = (load_file(run / checkpoint.EMA_FILE) for run in (whole, parts))
    assert all(torch.equal(left[k], right[k]) for k in left)
