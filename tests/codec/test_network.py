"""The receiver's network: shares of a batch, and what they leave behind."""

from __future__ import annotations

import threading
from collections.abc import Iterator
from contextlib import nullcontext

import numpy as np
import pytest
import torch

from imfcodec import weights
from imfcodec.codec.network.in_torch import TorchNetwork, restored
from tests.conftest import moving_picture
from tests.tiny import TINY

TOKEN_SIZE = TINY.token_size


@pytest.fixture
def threads() -> Iterator[int]:
    before = torch.get_num_threads()
    torch.set_num_threads(3)
    yield 3
    torch.set_num_threads(before)


def network(name: str, batch: int) -> TorchNetwork:
    loaded = weights.load(weights.find(name))
    reconstructor = TorchNetwork(loaded.model, loaded.tables.quantiser(0), batch=batch)
    key = restored(loaded.model, moving_picture(0))
    reconstructor.set_reference(key, np.zeros(TOKEN_SIZE, np.int32))
    return reconstructor


@pytest.mark.parametrize("count", [1, 2, 3, 5, 8, 11])
def test_frames_come_back_in_order_from_any_shares(count, threads, tiny_weights) -> None:
    reconstructor = network(tiny_weights, 8)
    tokens = np.random.default_rng(4).integers(-40, 40, (count, TOKEN_SIZE), dtype=np.int32)
    together = reconstructor.rebuild(tokens)
    alone = np.concatenate([reconstructor.rebuild(token[None]) for token in tokens])
    assert together.shape == (count, 64, 64, 3)
    assert np.abs(together.astype(int) - alone).max() <= 1
    assert count == 1 or np.abs(together[0].astype(int) - together[-1]).max() > 1


@pytest.mark.parametrize("fails", [False, True])
def test_shares_leave_the_number_of_threads_as_it_was(fails, threads, tiny_weights) -> None:
    reconstructor = network(tiny_weights, 8)
    if fails:
        reconstructor._reference = None
    with pytest.raises(AssertionError) if fails else nullcontext():
        reconstructor.rebuild(np.zeros((8, TOKEN_SIZE), np.int32))
    reconstructor._workers.shutdown()
    seen = [torch.get_num_threads()]
    later = threading.Thread(target=lambda: seen.append(torch.get_num_threads()))
    later.start()
    later.join()
    assert seen == [threads, threads]
