"""A tiny network with random weights, for tests of everything but quality."""

from __future__ import annotations

import dataclasses
from pathlib import Path

import numpy as np
import torch

from imfcodec import weights
from imfcodec.config import FAST, ModelConfig
from imfcodec.model.imf import IMF
from imfcodec.training.fit_tables import fit_tables
from imfcodec.weights import WeightsFile

TINY = dataclasses.replace(
    FAST,
    preset="tiny",
    token_size=16,
    stem_channels=4,
    feature_channels=(4, 8, 16, 16, 16),
    token_encoder_channels=(4, 8, 8),
    token_encoder_hidden=16,
    motion_channels=(16, 16, 16),
    motion_convolutions=1,
    attention_dims=(16, 16, 16),
    attention_heads=2,
    decoder_channels=(16, 8, 8),
    restoration_channels=(4, 8, 8),
    restoration_blocks=1,
    restoration_passes=1,
    restoration_first=None,
    attention_pooling=2,
    narrow_up=(12, 12, 12, 6),
    narrow_aligned=(12, 12),
    narrow_inner=(12, 6),
    narrow_features=(12, 6, 4),
)


def random_walks(clips: int, frames: int, size: int, seed: int = 0) -> list[np.ndarray]:
    """Token-like sequences float32 [frames, size]: smooth, unit variance, correlated."""
    rng = np.random.default_rng(seed)
    mix = np.eye(size) + rng.normal(size=(size, size)) / size
    walks = []
    for _ in range(clips):
        x = rng.normal(size=size)
        rows = []
        for t in range(frames):
            x = 0.97 * x + 0.1 * (1 + 2 * (t // 20 % 2)) * (rng.normal(size=size) @ mix)
            rows.append(x)
        walks.append(np.array(rows, np.float32))
    return walks


def tiny_model(seed: int = 0, config: ModelConfig = TINY) -> IMF:
    """The network with every parameter random, so that no path is silent."""
    torch.manual_seed(seed)
    model = IMF(config).eval().requires_grad_(False)
    for name, parameter in model.named_parameters():
        if name.split(".")[-2] in ("last", "painting"):
            parameter.normal_(std=0.02)
        elif "leave" in name:
            parameter.normal_(std=0.005)
    model.latent_token_encoder.normalise.running_var.fill_(1e-4)
    return model


def write_tiny_weights(folder: Path, config: ModelConfig = TINY) -> WeightsFile:
    """Store the tiny model with tables fitted on random walks."""
    tables = fit_tables(np.full(TINY.token_size, 0.2, np.float32), random_walks(6, 60, 16))
    return weights.write(folder, "tiny", tiny_model(config=config), tables)
