"""Tokens that a sender chose for a shard's frames, to train the receiver's network on.

``sent.safetensors`` lies beside ``frames.u8``; see `SentTokens` for what is in it.
"""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import NamedTuple

import numpy as np
import numpy.typing as npt
import torch
from safetensors import SafetensorError
from safetensors.numpy import load_file
from torch import Tensor

from imfcodec.errors import InputUnreadable
from imfcodec.training.look import AS_IT_IS
from imfcodec.training.tensor_file import write_tensors

FILE = "sent.safetensors"


class SentPairs(NamedTuple):
    """Tokens of a batch as the receiver has them, float32 [B, d_m] each."""

    reference: Tensor
    current: Tensor
    neighbour: Tensor


@dataclass(frozen=True)
class SentTokens:
    """R runs of N successive frames, each beside one decoded key frame.

    Attributes:
        reference: Index in ``refs.u8`` int64 [R].
        reference_frame: That of its source in ``frames.u8`` int64 [R].
        reference_token: float32 [R, d_m].
        frames: Indices in ``frames.u8``, in the order in which they were sent: int64 [R, N].
        tokens: float32 [R, N, d_m].
        looks: `Look.numbers` under which a sender saw each run, float32 [R, L].
    """

    reference: npt.NDArray[np.int64]
    reference_frame: npt.NDArray[np.int64]
    reference_token: npt.NDArray[np.float32]
    frames: npt.NDArray[np.int64]
    tokens: npt.NDArray[np.float32]
    looks: npt.NDArray[np.float32]

    def pairs(self, runs: npt.NDArray[np.int64], places: npt.NDArray[np.int64]) -> SentPairs:
        """Of the frames at these places of these runs, and of the ones sent next."""
        return SentPairs(
            torch.from_numpy(self.reference_token[runs]),
            torch.from_numpy(self.tokens[runs, places]),
            torch.from_numpy(self.tokens[runs, places + 1]),
        )


def save_sent(folder: Path, sent: SentTokens) -> None:
    """Put tokens into a shard.

    Raises:
        OutputFailed: The disk is full or the folder cannot be written.
    """
    write_tensors(folder / FILE, {k: torch.from_numpy(v) for k, v in vars(sent).items()})


def load_sent(folder: Path, frames: int, refs: int) -> SentTokens | None:
    """The tokens of a shard of so many frames and decoded key frames; None if it has none.

    Raises:
        InputUnreadable: The file is damaged, or belongs to another shard.
    """
    path = folder / FILE
    if not path.exists():
        return None
    try:
        sent = SentTokens(**load_file(path))
        runs, count, size = sent.tokens.shape
        fits = (
            sent.frames.shape == (runs, count)
            and sent.reference_token.shape == (runs, size)
            and sent.reference.shape == sent.reference_frame.shape == (runs,)
            and sent.looks.shape == (runs, len(AS_IT_IS.numbers()))
            and count >= 2
        )
        known = ((sent.frames, frames), (sent.reference_frame, frames), (sent.reference, refs))
        if not fits or any(x.min(initial=0) < 0 or x.max(initial=-1) >= n for x, n in known):
            raise ValueError("it belongs to another shard")
    except (OSError, TypeError, ValueError, SafetensorError) as error:
        raise InputUnreadable(f"{path} holds no tokens of this shard: {error}") from error
    return sent
