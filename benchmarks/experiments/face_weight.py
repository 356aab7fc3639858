"""What heavier errors of eyes and mouth bring, and what they cost.

    python benchmarks/experiments/face_weight.py CLIPS...

Prints for each clip and weight: bytes without sound; LPIPS (AlexNet), PSNR-RGB and motion error of
the mouth and of the eyes; LPIPS of the whole picture.
"""

from __future__ import annotations

import io
import sys
from pathlib import Path
from tempfile import TemporaryDirectory

from beginnings import beginning_of

import imfcodec
from imfcodec.bench.clip import Clip
from imfcodec.bench.score_options import ScoreOptions
from imfcodec.bench.scoring import Scorer

WEIGHTS, SECONDS = (1.0, 5.0, 17.0), 4
NAMES = tuple(
    f"{place}_{metric}"
    for place in ("mouth", "eyes")
    for metric in ("lpips_alex", "psnr_rgb_db", "motion_error")
)


def main() -> None:
    """One line a clip and weight."""
    print("clip", "weight", "bytes", *NAMES, "lpips_alex")  # noqa: T201
    scorer = Scorer(ScoreOptions((*NAMES, "lpips_alex")))
    for path in map(Path, sys.argv[1:]):
        with TemporaryDirectory() as folder:
            beginning = beginning_of(path, SECONDS, folder)
            for weight in WEIGHTS:
                stream = io.BytesIO()
                report = imfcodec.encode(
                    beginning, stream, key_preset=6, mode="imf", face_weight=weight
                )
                decoder = imfcodec.Decoder(io.BytesIO(stream.getvalue()))
                _, scores = scorer.score(Clip.open(beginning), (frame.rgb for frame in decoder))
                values = (f"{scores[name].mean:.4f}" for name in (*NAMES, "lpips_alex"))
                print(path.stem, weight, report.sizes.total_bytes, *values, flush=True)  # noqa: T201


if __name__ == "__main__":
    main()
