"""A run's averaged weights become a weights file that `imfcodec encode` uses."""

from __future__ import annotations

import dataclasses
from collections.abc import Callable, Sequence
from itertools import islice
from pathlib import Path

import numpy as np
import numpy.typing as npt
import torch

from imfcodec import weights
from imfcodec.codec.network.in_torch import restored
from imfcodec.codec.optical_flow import MovementTracker
from imfcodec.codec.pictures import PICTURE_CODECS
from imfcodec.codec.tokens import Quantiser
from imfcodec.config import EFFORTS
from imfcodec.errors import InputUnreadable
from imfcodec.media import AudioMode, CodingGeometry, MediaReader
from imfcodec.model.imf import IMF
from imfcodec.sender.key_coder import KeyCoder
from imfcodec.sender.latent_tokens import LatentTokens
from imfcodec.sender.segment import KeyKind
from imfcodec.sender.settings import KEY_CODEC
from imfcodec.sender.source_frame import SourceFrame
from imfcodec.training.checkpoint import EMA_FILE, load_initial
from imfcodec.training.config import TrainConfig
from imfcodec.training.fit_tables import fit_tables
from imfcodec.training.send import RefinedRun
from imfcodec.training.trainee import Trainee
from imfcodec.training.weights_list import add_to_manifest, add_to_model_card
from imfcodec.weights import WeightsFile

KEY_FRAMES = 50  # frames that share a key frame
KEY_CRF, KEY_PRESET = 40, 6  # of those key frames
FRAMES = 125  # of each clip, that the tables are fitted on


def export_run(
    run: Path,
    clips: Sequence[Path],
    folder: Path,
    name: str,
    advance: Callable[[int, int], None] = lambda done, total: None,
) -> WeightsFile:
    """Write NAME-SHA8.safetensors, list it in the manifest, and begin its model card.

    Args:
        run: The run's folder.
        clips: Training videos at their native frame rate, which the entropy tables are fitted on.
        folder: Folder of the weights; the new ones become its default.
        name: Name of the weights.
        advance: Called with how many clips are done, of how many.

    Raises:
        InputUnreadable: The folder is no training run.
    """
    try:
        config = TrainConfig.from_json((run / "config.json").read_text())
    except OSError as error:
        raise InputUnreadable(f"{run} is not a training run: {error}") from error
    trainee = Trainee(config.model)
    load_initial(run / EMA_FILE, trainee)
    trainee.eval().requires_grad_(False).to(memory_format=torch.channels_last)  # type: ignore[call-overload]
    # Tokens as the shipped float16 weights give them, not as the float32 checkpoint does.
    trainee.imf.half().float()
    step = trainee.quantiser.step.numpy().astype(np.float32)
    runs: list[RefinedRun] = []
    for number, clip in enumerate(clips):
        advance(number, len(clips))
        runs += _runs_of(trainee.imf, step, clip)
    advance(len(clips), len(clips))
    tables = fit_tables(step, [run.tokens for run in runs], [run.integers for run in runs])
    file = weights.write(folder, name, trainee.imf, tables)
    add_to_manifest(folder, file, config.model, dataclasses.asdict(config))
    add_to_model_card(folder, file, run, config)
    return file


def _runs_of(model: IMF, step: npt.NDArray[np.float32], clip: Path) -> list[RefinedRun]:
    """Tokens of a clip's first frames as a sender finds them, a run for each key frame."""
    quantiser = Quantiser(step)
    runs = []
    with MediaReader(clip, audio=AudioMode.NONE) as reader:
        geometry = CodingGeometry.fit(reader.info.width, reader.info.height)
        keys = KeyCoder(PICTURE_CODECS[KEY_CODEC], geometry.coded, KEY_PRESET, chains=False)
        pictures = (geometry.to_coded(frame.rgb) for frame in islice(reader.pictures(), FRAMES))
        while run := list(islice(pictures, KEY_FRAMES)):
            coded = keys.code(SourceFrame(0, 0, run[0]), KeyKind.INDEPENDENT, KEY_CRF)
            key = restored(model, coded.decoded, coded.restoration)
            latents = LatentTokens(model, quantiser, key, EFFORTS["default"].refine)
            runs.append(RefinedRun.beside(latents, MovementTracker(key), run[1:]))
    return runs
