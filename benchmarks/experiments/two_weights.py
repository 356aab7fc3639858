"""What other weights bring at equal settings.

    python benchmarks/experiments/two_weights.py WEIGHTS,WEIGHTS... CLIPS...

Prints for the first four seconds of each clip: weights, bytes without sound, LPIPS (AlexNet),
PSNR-RGB, motion error, and LPIPS of eyes and mouth. Last, the means of all clips.
"""

from __future__ import annotations

import io
import sys
from pathlib import Path
from tempfile import TemporaryDirectory

import numpy as np
from beginnings import beginning_of

import imfcodec
from imfcodec.bench.clip import Clip
from imfcodec.bench.score_options import ScoreOptions
from imfcodec.bench.scoring import Scorer
from imfcodec.weights import load_weights

SECONDS, KEY_PRESET = 4, 4
NAMES = ("lpips_alex", "psnr_rgb_db", "motion_error", "eyes_lpips_alex", "mouth_lpips_alex")


def main() -> None:
    """One line a clip and weights."""
    print("clip", "weights", "bytes", *NAMES)  # noqa: T201
    scorer = Scorer(ScoreOptions(NAMES))
    choices, clips = sys.argv[1].split(","), [Path(name) for name in sys.argv[2:]]
    loaded = {choice: load_weights(choice) for choice in choices}
    rows: dict[str, list[list[float]]] = {choice: [] for choice in choices}
    for path in clips:
        with TemporaryDirectory() as folder:
            beginning = beginning_of(path, SECONDS, folder)
            for choice in choices:
                stream = io.BytesIO()
                report = imfcodec.encode(
                    beginning,
                    stream,
                    weights=choice,
                    key_preset=KEY_PRESET,
                    layout="whole",
                    mode="imf",
                )
                decoder = imfcodec.Decoder(io.BytesIO(stream.getvalue()), loaded=loaded[choice])
                _, scores = scorer.score(Clip.open(beginning), (frame.rgb for frame in decoder))
                row = [report.sizes.total_bytes, *(scores[name].mean for name in NAMES)]
                rows[choice].append(row)
                _show(path.stem, choice, row)
    for choice, values in rows.items():
        _show("mean", choice, np.mean(values, 0).tolist())


def _show(clip: str, choice: str, row: list[float]) -> None:
    print(clip, Path(choice).stem, f"{row[0]:.0f}", *(f"{x:.4f}" for x in row[1:]), flush=True)  # noqa: T201


if __name__ == "__main__":
    main()
