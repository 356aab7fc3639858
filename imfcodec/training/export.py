"""A run's EMA checkpoint becomes a weights file that `imfcodec encode` uses."""

from __future__ import annotations

from collections.abc import Iterable
from itertools import islice
from pathlib import Path

import numpy as np
import numpy.typing as npt
import torch

from imfcodec import weights
from imfcodec.config import ModelConfig
from imfcodec.entropy import EntropyTables
from imfcodec.receiver.reconstruction import to_tensor
from imfcodec.sender.key_coder import KeyCoder
from imfcodec.sender.keyframe_policy import KeyKind
from imfcodec.sender.optical_flow import MovementTracker
from imfcodec.training.checkpoint import load_initial
from imfcodec.training.fit_tables import fit_tables
from imfcodec.training.trainee import Trainee
from imfcodec.video import AudioMode, CodingGeometry, MediaReader
from imfcodec.weights import WeightsFile

BATCH = 16  # frames per pass
KEY_FRAMES = 50  # frames that share a key frame, where tokens are relative to one
KEY_CRF, KEY_PRESET = 40, 6  # of those key frames


def export(
    checkpoint: Path,
    config: ModelConfig,
    clips: Iterable[Path],
    folder: Path,
    name: str,
    frames: int = 125,
) -> tuple[WeightsFile, EntropyTables]:
    """Fit the entropy tables on training clips and write NAME-SHA8.safetensors.

    Args:
        checkpoint: EMA checkpoint of the run.
        config: Its network's sizes.
        clips: Training videos at their native frame rate.
        folder: Where the weights go.
        name: Their name.
        frames: Frames of each clip to fit on.
    """
    trainee = Trainee(config)
    load_initial(checkpoint, trainee)
    trainee.eval().requires_grad_(False).to(memory_format=torch.channels_last)  # type: ignore[call-overload]
    # Tokens as the shipped float16 weights give them, not as the float32 checkpoint does.
    trainee.imf.half().float()
    tokens = [run for clip in clips for run in tokens_of(trainee, clip, frames)]
    step = trainee.quantiser.step.numpy().astype(np.float32)
    tables = fit_tables(step, tokens)
    return weights.write(folder, name, trainee.imf, tables), tables


def tokens_of(trainee: Trainee, clip: Path, frames: int) -> list[npt.NDArray[np.float32]]:
    """Unquantised tokens of a clip's first frames, sized as a sender does: float32 [n, d_m] each.

    One run of tokens for each key frame, whose own comes first.
    """
    relative = trainee.imf.config.relative_tokens
    runs = []
    with MediaReader(clip, audio=AudioMode.NONE) as reader:
        geometry = CodingGeometry.fit(reader.info.width, reader.info.height)
        keys = KeyCoder(geometry.coded, KEY_CRF, KEY_PRESET)
        pictures = (geometry.to_coded(frame.rgb) for frame in islice(reader.pictures(), frames))
        while run := list(islice(pictures, KEY_FRAMES if relative else frames)):
            x = to_tensor(np.stack(run))
            # A relative token is one beside the picture that a receiver has.
            key = keys.code(run[0], KeyKind.INDEPENDENT).decoded if relative else run[0]
            origin = to_tensor(key[None])
            flow = MovementTracker(key).follow(np.stack(run)) if relative else None
            parts = [
                trainee.imf.encode_token(
                    x[n : n + BATCH], origin, None if flow is None else flow[n : n + BATCH]
                )
                for n in range(1, len(x), BATCH)
            ]
            runs.append(torch.cat([trainee.imf.key_token(origin), *parts]).numpy())
    return runs
