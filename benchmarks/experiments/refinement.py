"""What the improvement of tokens costs and brings, by steps and renewed derivatives.

    TORCH_HOME=DIR python benchmarks/experiments/refinement.py CLIPS...

All variants of a clip share 50 frames and one key frame, the 13th. Prints for each variant: CPU
time of the improvement per frame, bits per frame, LPIPS (AlexNet), PSNR-RGB and motion error.
"""

from __future__ import annotations

import sys
import time
from pathlib import Path
from typing import NamedTuple

import numpy as np
import torch

from imfcodec import weights
from imfcodec.bitstream import KEY_CODEC_AV1
from imfcodec.codec.network.in_torch import TorchNetwork
from imfcodec.codec.optical_flow import MovementTracker
from imfcodec.codec.pictures import PICTURE_CODECS
from imfcodec.media import AudioMode, MediaReader, PictureFrame
from imfcodec.metrics.fidelity import psnr_rgb_db
from imfcodec.metrics.motion import MotionError
from imfcodec.metrics.perceptual import Lpips
from imfcodec.sender import latent_tokens, token_refinement
from imfcodec.sender.face_emphasis import FaceEmphasis
from imfcodec.sender.key_coder import KeyCoder
from imfcodec.sender.latent_tokens import LatentTokens
from imfcodec.sender.segment import KeyKind
from imfcodec.sender.source_frame import SourceFrame
from imfcodec.sender.token_choice import TokenChooser
from imfcodec.sender.token_smoothing import smooth

FRAMES, KEY, LEVEL, CRF, KEY_PRESET = 50, 12, 4, 34.0, 6


class Variant(NamedTuple):
    """Steps, frames that share derivatives, and directions in which these are renewed."""

    steps: int
    renew: int = token_refinement.RENEW
    directions: int = token_refinement.DIRECTIONS


VARIANTS = (
    Variant(2, directions=32),
    Variant(2),
    Variant(1),
    Variant(0),
)


def main() -> None:
    """One line a clip and variant."""
    torch.set_num_threads(1)
    loaded = weights.load_weights()
    lpips = Lpips("alex")
    for path in map(Path, sys.argv[1:]):
        with MediaReader(path, audio=AudioMode.NONE) as reader:
            events = (e for e in reader.events() if isinstance(e, PictureFrame))
            frames = [event.rgb for event, _ in zip(events, range(FRAMES), strict=False)]
        quantiser = loaded.tables.quantiser(LEVEL)
        height, width = frames[0].shape[:2]
        keys = KeyCoder(PICTURE_CODECS[KEY_CODEC_AV1], (width, height), KEY_PRESET, chains=False)
        coded = keys.code(SourceFrame(KEY, KEY, frames[KEY]), KeyKind.INDEPENDENT, CRF)
        network = TorchNetwork(loaded.model, quantiser, threads=1)
        reference = network.restore(coded.decoded, coded.restoration)
        runs = [frames[KEY + 1 :], frames[:KEY][::-1]]
        flows = [list(MovementTracker(reference).track(np.stack(run))) for run in runs]
        for variant in VARIANTS:
            token_refinement.RENEW = latent_tokens.RENEW = variant.renew
            token_refinement.DIRECTIONS = variant.directions
            latents = LatentTokens(
                loaded.model, quantiser, reference, variant.steps, emphasis=FaceEmphasis(5.0)
            )
            prepared = network.reference(reference, latents.token[0])
            bits, cpu_s, rebuilt = 0, 0.0, []
            for run, flow in zip(runs, flows, strict=True):
                latents.restart()
                begin = time.process_time()
                latent = latents.beside(run, flow)
                cpu_s += time.process_time() - begin
                tokens, curvature = latent.tokens.numpy(), latent.curvature.numpy()
                tokens = smooth(tokens, curvature, quantiser.step, None)
                coder = loaded.tables.coder(LEVEL)
                coder.start_after(latents.token[0])
                integers = TokenChooser(quantiser.step).choose(coder, tokens, curvature)
                bits += 8 * len(coder.encode(integers))
                rebuilt.append(network.rebuild(prepared, integers))
            source = np.stack([*frames[:KEY], *runs[0]])
            shown = np.concatenate([rebuilt[1][::-1], rebuilt[0]])
            motion = MotionError()
            for a, b in zip(source, shown, strict=True):
                motion.add(a, b)
            psnr = np.mean([psnr_rgb_db(a, b) for a, b in zip(source, shown, strict=True)])
            distance = np.mean(
                [lpips(s[None], c[None]) for s, c in zip(source, shown, strict=True)]
            )
            print(  # noqa: T201
                path.stem, *variant, f"{1000 * cpu_s / len(source):.0f} ms",
                f"{bits / len(source):.1f} bits {distance:.4f} {psnr:.2f} dB {motion.value():.3f}",
                flush=True,
            )  # fmt: skip


if __name__ == "__main__":
    main()
