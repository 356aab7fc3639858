"""The receiver's network: shares of a batch, and what they leave behind."""

from __future__ import annotations

import copy
import threading
from collections.abc import Iterator
from contextlib import nullcontext

import numpy as np
import pytest
import torch

from imfcodec import weights
from imfcodec.codec.network.in_torch import TorchNetwork, device_of, place_of, placed, restored
from imfcodec.errors import OptionError
from imfcodec.model.imf import Reference
from tests.conftest import moving_picture
from tests.tiny import TINY

TOKEN_SIZE = TINY.token_size


@pytest.fixture
def threads() -> Iterator[int]:
    before = torch.get_num_threads()
    torch.set_num_threads(3)
    yield 3
    torch.set_num_threads(before)


def network(name: str, batch: int) -> tuple[TorchNetwork, Reference]:
    loaded = weights.load(weights.find(name))
    reconstructor = TorchNetwork(loaded.model, loaded.tables.quantiser(0), batch=batch)
    key = restored(loaded.model, moving_picture(0))
    return reconstructor, reconstructor.reference(key, np.zeros(TOKEN_SIZE, np.int32))


@pytest.mark.parametrize("count", [1, 2, 3, 5, 8, 11])
def test_frames_come_back_in_order_from_any_shares(count, threads, tiny_weights) -> None:
    reconstructor, reference = network(tiny_weights, 8)
    tokens = np.random.default_rng(4).integers(-40, 40, (count, TOKEN_SIZE), dtype=np.int32)
    together = reconstructor.rebuild(reference, tokens)
    alone = np.concatenate([reconstructor.rebuild(reference, token[None]) for token in tokens])
    assert together.shape == (count, 64, 64, 3)
    assert np.abs(together.astype(int) - alone).max() <= 1
    assert count == 1 or np.abs(together[0].astype(int) - together[-1]).max() > 1


@pytest.mark.parametrize("fails", [False, True])
def test_shares_leave_the_number_of_threads_as_it_was(fails, threads, tiny_weights) -> None:
    reconstructor, reference = network(tiny_weights, 8)
    size = TOKEN_SIZE + 1 if fails else TOKEN_SIZE
    with pytest.raises(ValueError, match="broadcast") if fails else nullcontext():
        reconstructor.rebuild(reference, np.zeros((8, size), np.int32))
    reconstructor._workers.shutdown()
    seen = [torch.get_num_threads()]
    later = threading.Thread(target=lambda: seen.append(torch.get_num_threads()))
    later.start()
    later.join()
    assert seen == [threads, threads]


def test_devices(tiny_weights: str) -> None:
    model = weights.load(weights.find(tiny_weights)).model
    assert placed(model, "cpu") is model
    if not torch.cuda.is_available() and not torch.backends.mps.is_available():
        assert device_of("auto") == torch.device("cpu")
        for name in ("cuda", "cuda:1", "mps"):
            with pytest.raises(OptionError, match=f"device '{name}' is not available"):
                placed(model, name)
    with pytest.raises(OptionError, match="device 'warp' is not available"):
        placed(model, "warp")
    elsewhere = copy.deepcopy(model).to("meta")  # the one other device that every machine has
    assert place_of(elsewhere) == torch.device("meta")
    assert placed(elsewhere, "meta") is elsewhere


def test_batch_that_does_not_fit_is_halved(
    threads: int, tiny_weights: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    reconstructor, reference = network(tiny_weights, 8)
    tokens = np.random.default_rng(4).integers(-40, 40, (11, TOKEN_SIZE), dtype=np.int32)
    expected = reconstructor.rebuild(reference, tokens)
    shared_out, most = reconstructor._shared_out, 2

    def small(reference: Reference, batch: np.ndarray) -> list[np.ndarray]:
        if len(batch) > most:
            raise torch.OutOfMemoryError
        return shared_out(reference, batch)

    monkeypatch.setattr(reconstructor, "_shared_out", small)
    rebuilt = reconstructor.rebuild(reference, tokens)
    assert np.abs(rebuilt.astype(int) - expected).max() <= 1
    assert reconstructor.batch == 2
    assert [warning.rpartition(" ")[2] for warning in reconstructor.warnings] == ["4", "2"]
    most = 0
    with pytest.raises(torch.OutOfMemoryError):
        reconstructor.rebuild(reference, tokens)
