"""A sender's tokens come into a shard, and a run trains the receiver on them."""

from __future__ import annotations

import dataclasses
import json
import shutil
from pathlib import Path

import numpy as np
import pytest
import torch
from click.testing import CliRunner
from safetensors.torch import load_file

from imfcodec.cli.main import imfcodec
from imfcodec.codec.network.in_torch import TorchNetwork
from imfcodec.codec.tokens import Quantiser
from imfcodec.errors import InputUnreadable, OptionError
from imfcodec.training.checkpoint import EMA_FILE, load_initial
from imfcodec.training.look import AS_IT_IS, Look
from imfcodec.training.loop import train
from imfcodec.training.pairs import PairSampler
from imfcodec.training.send import SendConfig, send_tokens
from imfcodec.training.sent_tokens import FILE, SentTokens, save_sent
from imfcodec.training.shards import Shard
from imfcodec.training.trainee import Trainee
from imfcodec.weights import WeightsFile, load
from tests.tiny import TINY, write_tiny_weights
from tests.training.samples import small_run, write_shard

CONFIG = SendConfig(runs=6, frames=4, reach=5, quantisers=(3, 4))


@pytest.fixture(scope="module")
def weights(tmp_path_factory: pytest.TempPathFactory) -> WeightsFile:
    return write_tiny_weights(tmp_path_factory.mktemp("weights"))


@pytest.fixture(scope="module")
def shard(tmp_path_factory: pytest.TempPathFactory, weights: WeightsFile) -> Path:
    folder = write_shard(tmp_path_factory.mktemp("shard"), frames=24)
    send_tokens(folder, weights, CONFIG)
    return folder


@pytest.fixture(scope="module")
def sent(shard: Path) -> SentTokens:
    found = Shard(shard).sent
    assert found is not None
    return found


def test_runs_lead_away_from_their_key_frames(shard: Path, sent: SentTokens) -> None:
    assert sent.tokens.shape == (6, 4, TINY.token_size)
    sources = dict(Shard(shard).decoded_pairs())
    for ref, key, frames in zip(sent.reference, sent.reference_frame, sent.frames, strict=True):
        assert sources[ref] == key
        way = np.sign(frames[0] - key)
        assert (np.diff(frames) == way).all()
        assert 1 <= way * (frames[0] - key) <= CONFIG.reach
        assert len({frame // 24 for frame in (key, *frames)}) == 1
    assert set(np.sign(sent.frames[:, 0] - sent.reference_frame)) == {1, -1}


def test_tokens_are_those_of_a_quantiser(sent: SentTokens, weights: WeightsFile) -> None:
    tables = load(weights).tables
    quantisers = [tables.quantiser(level) for level in CONFIG.quantisers]

    def passes(quantiser: Quantiser, tokens: np.ndarray) -> bool:
        return np.array_equal(quantiser.dequantise(quantiser.quantise(tokens)), tokens)

    for key, tokens in zip(sent.reference_token, sent.tokens, strict=True):
        assert any(passes(quantiser, np.vstack([key, tokens])) for quantiser in quantisers)
    assert (np.diff(sent.tokens, axis=1) != 0).any()


def test_training_shows_what_a_receiver_rebuilds(
    shard: Path, sent: SentTokens, weights: WeightsFile
) -> None:
    model = load(weights).model
    trainee = Trainee(TINY).eval()
    load_initial(weights.path, trainee)
    material = Shard(shard)
    config = small_run(sent=1.0, motion=1.0, recolour=0.0)
    batch = PairSampler(material, config).draw(7, 3, 64, flow=True)
    with torch.no_grad():
        shown = trainee(batch, 64, [], True)
    level = Quantiser(np.full(TINY.token_size, 1.0, np.float32))
    for n in range(3):
        run, place = next(
            (r, p)
            for r in range(6)
            for p in range(3)
            if np.array_equal(sent.tokens[r, p], batch.sent.current[n])
            and np.array_equal(sent.tokens[r, p + 1], batch.sent.neighbour[n])
        )
        seen = Look.of_numbers(sent.looks[run])
        look = dataclasses.replace(AS_IT_IS, flip=seen.flip, affine=seen.affine)
        receiver = TorchNetwork(model, level)
        key = torch.from_numpy(np.array(material.refs[sent.reference[run]]))
        reference = receiver.reference(_as_sent(key, look), sent.reference_token[run])
        pictures = receiver.rebuild(reference, sent.tokens[run, place : place + 2])
        for picture, ours in zip(pictures, (shown.picture[n], shown.neighbour[n]), strict=True):
            expected = torch.from_numpy(picture).permute(2, 0, 1) / 255
            assert (ours.clamp(0, 1) - expected).abs().max() < 2 / 255
        source = torch.from_numpy(np.array(material.frames[sent.frames[run, place]]))
        target = torch.from_numpy(_as_sent(source, look)).permute(2, 0, 1) / 255
        assert (batch.current[n] - target).abs().max() < 0.51 / 255


def _as_sent(picture: torch.Tensor, look: Look) -> np.ndarray:
    x = Look.apply([look], picture.permute(2, 0, 1)[None] / 255)
    return (x[0] * 255).round().byte().permute(1, 2, 0).numpy()


def test_looks_are_drawn_and_kept(sent: SentTokens) -> None:
    looks = [Look.of_numbers(row) for row in sent.looks]
    assert {look.flip for look in looks} == {False, True}
    assert {look.affine is None for look in looks} == {False, True}
    assert len({look.gain for look in looks}) == len(looks)
    kept = [look.numbers() for look in looks]
    assert np.array_equal(np.array(kept, np.float32), sent.looks)


def test_colours_are_drawn_anew(shard: Path, sent: SentTokens) -> None:
    sampler = PairSampler(Shard(shard), small_run(sent=1.0))
    looks = [look for step in range(4) for look in sampler.plan(step, 8, 64, False).looks]
    assert len({(look.gain, look.offset, look.saturation) for look in looks}) == len(looks)
    seen = [Look.of_numbers(row) for row in sent.looks]
    assert {(look.flip, look.affine) for look in looks} <= {(s.flip, s.affine) for s in seen}


def test_the_receiver_learns_and_the_token_encoder_rests(
    shard: Path, weights: WeightsFile, tmp_path: Path
) -> None:
    config = small_run(sent=1.0, motion=1.0, learning_rate=1e-3)
    others = write_shard(tmp_path / "others", clips=1)  # whose frames no sender has seen
    train(config, shard, others, tmp_path / "run", device="cpu", initial=weights.path)
    before = Trainee(TINY)
    load_initial(weights.path, before)
    after = load_file(tmp_path / "run" / EMA_FILE)
    changed = {k.split(".")[1] for k, v in before.state_dict().items() if not v.equal(after[k])}
    assert changed == {
        "dense_feature_encoder",
        "latent_token_decoder",
        "alignments",
        "frame_decoder",
    }


def test_a_share_of_the_steps(shard: Path) -> None:
    sampler = PairSampler(Shard(shard), small_run(sent=0.5))
    seen = [sampler.plan(step, 4, 64, False).sent is not None for step in range(60)]
    assert 15 < sum(seen) < 45


def test_parts_make_up_the_batch(shard: Path) -> None:
    sampler = PairSampler(Shard(shard), small_run(sent=1.0))
    whole = sampler.plan(3, 4, 64, False)
    parts = [sampler.plan(3, 4, 64, False, (part, 2)) for part in range(2)]
    for part, plan in enumerate(parts):
        assert plan.picks == whole.picks[part::2]
        assert plan.looks == whole.looks[part::2]
        assert all(torch.equal(a, b[part::2]) for a, b in zip(plan.sent, whole.sent, strict=True))


def test_processes_send_the_same(shard: Path, weights: WeightsFile, tmp_path: Path) -> None:
    copy = tmp_path / "shard"
    shutil.copytree(shard, copy)
    (copy / FILE).unlink()
    send_tokens(copy, weights, dataclasses.replace(CONFIG, runs=2), workers=1)
    few, many = load_file(copy / FILE), load_file(shard / FILE)
    assert all(torch.equal(few[k], many[k][:2]) for k in many)
    assert sorted(p.name for p in copy.iterdir()) == sorted(p.name for p in shard.iterdir())


@pytest.mark.parametrize("harm", ["cut", "other shard", "other sizes", "a field less"])
def test_tokens_that_do_not_fit_are_refused(
    shard: Path, sent: SentTokens, tmp_path: Path, harm: str
) -> None:
    copy = tmp_path / "shard"
    shutil.copytree(shard, copy)
    if harm == "cut":
        (copy / FILE).write_bytes((copy / FILE).read_bytes()[:-8])
    elif harm == "other shard":
        save_sent(copy, dataclasses.replace(sent, frames=sent.frames + 60))
    elif harm == "other sizes":
        save_sent(copy, dataclasses.replace(sent, reference=sent.reference[1:]))
    else:
        content = (copy / FILE).read_bytes()
        (copy / FILE).write_bytes(content.replace(b"reference_frame", b"reference_trame"))
    with pytest.raises(InputUnreadable, match="holds no tokens of this shard"):
        _ = Shard(copy).sent


def test_what_cannot_be_sent(shard: Path, weights: WeightsFile, tmp_path: Path) -> None:
    with pytest.raises(OptionError, match="no clip"):
        send_tokens(shard, weights, SendConfig(frames=12))
    with pytest.raises(OptionError, match="quantiser levels"):
        send_tokens(shard, weights, SendConfig(frames=4, quantisers=(99,)))
    bare = write_shard(tmp_path / "bare", clips=1)
    with pytest.raises(OptionError, match="imfcodec train tokens"):
        PairSampler(Shard(bare), small_run(sent=0.1))


def test_the_command(weights: WeightsFile, tmp_path: Path) -> None:
    shard = write_shard(tmp_path / "shard", clips=1, frames=12)
    choice = ["--weights", str(weights.path)]
    small = ["--set", "runs", "2", "--set", "frames", "3"]
    result = CliRunner().invoke(
        imfcodec, ["train", "tokens", str(shard), *choice, *small, "--json"]
    )
    assert result.exit_code == 0, result.output
    assert json.loads(result.stdout) == {"runs": 2, "frames": 6, "path": str(shard / FILE)}
    wrong = CliRunner().invoke(
        imfcodec, ["train", "tokens", str(shard), *choice, "--set", "frames", '"many"']
    )
    assert wrong.exit_code == OptionError.exit_code
