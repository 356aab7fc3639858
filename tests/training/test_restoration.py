"""R learns by itself, and a run then trains on what it restores."""

from __future__ import annotations

import dataclasses
import json
from pathlib import Path

import numpy as np
import pytest
import torch
from click.testing import CliRunner
from safetensors.torch import load_file

from imfcodec.cli.main import imfcodec
from imfcodec.codec.network.in_torch import restored
from imfcodec.codec.restoration_strength import restoration_field
from imfcodec.config import PAPER
from imfcodec.errors import InputUnreadable, OptionError
from imfcodec.model.reference_restoration import ReferenceRestoration, restoration_of
from imfcodec.training import checkpoint, restoration
from imfcodec.training.loop import train
from imfcodec.training.restoration import (
    FILE,
    REFERENCES_FILE,
    Patches,
    RestorationConfig,
    load_restoration,
    restored_shard,
    train_restoration,
)
from imfcodec.training.shards import Shard
from imfcodec.training.tensor_file import write_tensors
from imfcodec.training.trainee import Trainee
from tests.tiny import TINY, tiny_model, write_tiny_weights
from tests.training.samples import small_run, write_shard

CONFIG = RestorationConfig(
    TINY, side=32, batch=4, steps=200, learning_rate=5e-3, warmup_steps=5, ema=0.9, log_steps=100
)


@pytest.fixture(scope="module")
def shard(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return write_shard(tmp_path_factory.mktemp("shard"))


@pytest.fixture(autouse=True)
def plain_distances(monkeypatch: pytest.MonkeyPatch) -> None:
    """No backbone has to be had: distances are absolute differences."""

    class Plain(torch.nn.Module):
        def __init__(self, nets: str) -> None:
            super().__init__()

        def forward(self, x: torch.Tensor, y: torch.Tensor, step: int = 0) -> torch.Tensor:
            return (x - y).abs().mean()

    monkeypatch.setattr(restoration, "PerceptualLoss", Plain)
    monkeypatch.setattr(restoration, "load_lpips", Plain)


def test_it_learns_to_undo_what_was_done(tmp_path: Path) -> None:
    shard = write_shard(tmp_path / "shard")
    pictures = Shard(shard)
    faded = np.memmap(shard / "refs.u8", np.uint8, "r+", shape=pictures.refs.shape)
    for clip in pictures.clips:
        for ref, frame, *_ in clip.refs:
            faded[ref] = pictures.frames[clip.start + frame] // 2 + 64
    faded.flush()
    figures = train_restoration(CONFIG, shard, shard, tmp_path / "r", device="cpu")
    assert figures["restored_psnr_db"] > figures["decoded_psnr_db"] + 3
    assert figures["restored_lpips_alex"] < figures["decoded_lpips_alex"]
    assert (tmp_path / "r" / FILE).exists()
    steps = [
        json.loads(line)["step"] for line in (tmp_path / "r" / "metrics.jsonl").open().readlines()
    ]
    assert steps == [100, 200]


def test_the_same_again(shard: Path, tmp_path: Path) -> None:
    short = dataclasses.replace(CONFIG, steps=4)
    for name in ("one", "other"):
        workers = int(name == "other")
        train_restoration(short, shard, None, tmp_path / name, device="cpu", workers=workers)
    one, other = (load_file(tmp_path / name / FILE) for name in ("one", "other"))
    assert all(torch.equal(one[k], other[k]) for k in one)


def test_patches_show_the_same_place(shard: Path) -> None:
    decoded, source = Patches(Shard(shard), dataclasses.replace(CONFIG, clean=0.0))[0]
    assert decoded.shape == source.shape == (4, 32, 32, 3)
    decoded, source = decoded.astype(int), source.astype(int)
    apart = abs(decoded - source).mean()
    assert 0 < apart < 15 < abs(decoded - np.roll(source, 1, 0)).mean()


def test_patches_that_were_never_coded(shard: Path) -> None:
    decoded, source = Patches(Shard(shard), dataclasses.replace(CONFIG, clean=1.0))[0]
    assert np.array_equal(decoded, source)


def test_what_is_refused(shard: Path, tmp_path: Path) -> None:
    short = dataclasses.replace(CONFIG, steps=1)
    train_restoration(short, shard, None, tmp_path / "r", device="cpu")
    with pytest.raises(OptionError, match="holds a run already"):
        train_restoration(short, shard, None, tmp_path / "r", device="cpu")
    with pytest.raises(OptionError, match="restores no references"):
        train_restoration(
            dataclasses.replace(short, model=PAPER), shard, None, tmp_path / "p", device="cpu"
        )
    with pytest.raises(OptionError, match="patches of 128"):
        train_restoration(
            dataclasses.replace(short, side=128), shard, None, tmp_path / "s", device="cpu"
        )
    other = tmp_path / "other.safetensors"
    write_tensors(other, {"x": torch.zeros(1)})
    with pytest.raises(InputUnreadable, match="does not fit"):
        train_restoration(short, shard, None, tmp_path / "i", device="cpu", initial=other)


def test_a_second_pass_begins_as_the_first(shard: Path, tmp_path: Path) -> None:
    short = dataclasses.replace(CONFIG, steps=1, learning_rate=0.0)
    once = tiny_model().restoration
    assert once is not None
    write_tensors(tmp_path / FILE, once.state_dict())
    passes = dataclasses.replace(TINY, restoration_passes=2)
    two = dataclasses.replace(short, model=passes)
    train_restoration(two, shard, None, tmp_path / "r", device="cpu", initial=tmp_path / FILE)
    twice = restoration_of(passes)
    assert twice is not None
    load_restoration(tmp_path / "r" / FILE, twice)
    picture = torch.rand(1, 3, 64, 64)
    with torch.inference_mode():
        assert torch.allclose(twice(picture), once(picture), atol=1e-5)
    with pytest.raises(InputUnreadable, match="again"):
        load_restoration(tmp_path / "r" / FILE, once)
    torn = load_file(tmp_path / "r" / FILE)
    del torn["again.enter.weight"]
    write_tensors(tmp_path / "torn.safetensors", torn)
    with pytest.raises(InputUnreadable, match="does not fit"):
        load_restoration(tmp_path / "torn.safetensors", twice)
    trainee = Trainee(passes)
    checkpoint.load_initial(write_tiny_weights(tmp_path).path, trainee)
    assert trainee.imf.restoration is not None
    with torch.inference_mode():
        assert torch.allclose(trainee.imf.restoration(picture), once(picture), atol=1e-2)


def test_a_short_restoration_begins_as_a_part_of_a_long_one(shard: Path, tmp_path: Path) -> None:
    long = dataclasses.replace(TINY, restoration_passes=2, restoration_blocks=3)
    short = dataclasses.replace(TINY, restoration_passes=1, restoration_blocks=2)
    whole, part = restoration_of(long), restoration_of(short)
    assert whole is not None
    assert part is not None
    write_tensors(tmp_path / FILE, whole.state_dict())
    with pytest.raises(InputUnreadable, match="does not fit"):
        load_restoration(tmp_path / FILE, part)
    config = dataclasses.replace(CONFIG, model=short, steps=1, learning_rate=0.0)
    train_restoration(config, shard, None, tmp_path / "r", device="cpu", initial=tmp_path / FILE)
    for name, value in load_file(tmp_path / "r" / FILE).items():
        assert torch.equal(value, whole.state_dict()[name])
    assert not part.load_state_dict(load_file(tmp_path / "r" / FILE)).missing_keys


def test_references_are_restored_once(shard: Path, tmp_path: Path) -> None:
    model = tiny_model()
    network = model.restoration
    assert isinstance(network, ReferenceRestoration)
    file = tmp_path / REFERENCES_FILE
    whole, decoded = restored_shard(shard, file, network, "cpu", "fp32"), Shard(shard).refs
    assert whole.refs.shape == decoded.shape
    assert (whole.refs != decoded).mean() > 0.1
    for ref in whole.clips[0].refs:
        received = restored(
            model, decoded[ref.place].copy(), restoration_field(ref.crf, predicted=ref.predicted)
        )
        assert abs(whole.refs[ref.place].astype(int) - received).max() <= 1
    content = file.read_bytes()
    # A run that was killed meanwhile goes on where it stood, and leaves what is there.
    file.write_bytes(bytes(len(content) // 2 + 5))
    restored_shard(shard, file, network, "cpu", "fp32")
    half = len(decoded) // 2 * decoded[0].nbytes
    assert file.read_bytes() == bytes(half) + content[half:]


def test_a_run_trains_on_restored_references(shard: Path, tmp_path: Path) -> None:
    learned = tiny_model().restoration
    assert learned is not None
    write_tensors(tmp_path / FILE, learned.state_dict())
    run = tmp_path / "run"
    train(small_run(), shard, shard, run, device="cpu", restoration=tmp_path / FILE)
    ema = load_file(run / checkpoint.EMA_FILE)
    for name, value in learned.state_dict().items():
        assert torch.equal(ema[f"imf.restoration.{name}"], value)
    references = np.memmap(run / REFERENCES_FILE, np.uint8, "r")
    assert (references != np.asarray(Shard(shard).refs).reshape(-1)).mean() > 0.1
    plain = small_run(model=dataclasses.replace(TINY, restoration_channels=None))
    with pytest.raises(OptionError, match="restores no references"):
        train(plain, shard, None, tmp_path / "no", device="cpu", restoration=tmp_path / FILE)


def test_the_command(shard: Path, tmp_path: Path) -> None:
    line = ["train", "restoration", str(shard), str(tmp_path / "r"), "--device", "cpu"]
    settings = ["--set", "steps", "1", "--set", "side", "32", "--set", "batch", "2"]
    result = CliRunner().invoke(imfcodec, [*line, *settings])
    assert result.exit_code == 0, result.output
    assert str(tmp_path / "r" / FILE) in result.output
    result = CliRunner().invoke(imfcodec, [*line, "--set", "sidee", "32"])
    assert result.exit_code != 0
    assert "no setting" in result.output
