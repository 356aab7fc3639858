from __future__ import annotations

import pytest
import torch

from imfcodec.model.token_normalisation import TokenNormalisation


@pytest.fixture
def batch() -> torch.Tensor:
    generator = torch.Generator().manual_seed(1)
    return (2 + 3 * torch.randn(8, 4, generator=generator)).requires_grad_()


def settled(renormalise: bool) -> TokenNormalisation:
    """Running statistics of the source that the batch is drawn from."""
    module = TokenNormalisation(4)
    module.running_mean.fill_(2.0)
    module.running_var.fill_(9.0)
    module.renormalise = renormalise
    return module


def test_a_batch_has_mean_0_and_variance_1(batch: torch.Tensor) -> None:
    token = settled(renormalise=False)(batch)
    assert token.mean(0).tolist() == pytest.approx([0] * 4, abs=1e-5)
    assert token.var(0, correction=0).tolist() == pytest.approx([1] * 4, abs=1e-3)


def test_renormalised_tokens_are_those_after_training(batch: torch.Tensor) -> None:
    training = settled(renormalise=True)(batch)
    evaluation = settled(renormalise=True).eval()(batch)
    assert training.flatten().tolist() == pytest.approx(evaluation.flatten().tolist(), abs=1e-5)
    # The batch's own statistics differ visibly: eight samples are few.
    assert (settled(renormalise=False)(batch) - evaluation).abs().max() > 0.1


def test_gradients_stay_those_of_batch_normalisation(batch: torch.Tensor) -> None:
    """What moves all tokens of a batch alike has no gradient."""
    settled(renormalise=True)(batch)[:, 0].sum().backward()
    assert batch.grad is not None
    assert batch.grad.abs().max() < 1e-5


def test_statistics_that_know_nothing_yet_are_not_used() -> None:
    module = TokenNormalisation(2)
    module.renormalise = True
    untrained = 5 + 0.002 * torch.randn(16, 2, generator=torch.Generator().manual_seed(2))
    token = module(untrained)
    assert token.mean(0).tolist() == pytest.approx([0, 0], abs=1e-3)
    assert 0.3 < token.std() < 1.1  # epsilon is not far below a variance of 4e-6


def test_running_statistics_follow(batch: torch.Tensor) -> None:
    module = TokenNormalisation(4)
    for _ in range(400):
        module(batch.detach())
    assert module.running_mean.tolist() == pytest.approx(batch.mean(0).tolist(), abs=0.01)
    assert module.running_var.tolist() == pytest.approx(
        batch.var(0, correction=0).tolist(), rel=0.01
    )
