"""What key frames beyond one per interval cost and bring, by what each of them must save.

    TORCH_HOME=DIR python benchmarks/experiments/further_keys.py CLIPS...

Eight seconds of each clip at quality 40, planned, tokens not refined, weights `live`. Prints for
each price: bytes, key frames, LPIPS (AlexNet) and that of the 5 % worst frames.
"""

from __future__ import annotations

import io
import math
import sys
import tempfile
from pathlib import Path
from typing import Any

from beginnings import beginning_of

import imfcodec
from imfcodec.bench.clip import Clip
from imfcodec.bench.score_options import ScoreOptions
from imfcodec.bench.scoring import Scorer
from imfcodec.sender.planning import key_schedule

SECONDS, PRICES = 8, (math.inf, 0.008, 0.004, 0.002)

OPTIONS: dict[str, Any] = {
    "preset": "live",
    "latency": "normal",
    "look_ahead": True,
    "choose_keys": True,
    "mode": "imf",
    "layout": "whole",
    "audio": "none",
    "quality": 40,
    "threads": 1,
}


def main() -> None:
    """One line a clip and price."""
    scorer = Scorer(ScoreOptions(("lpips_alex",)))
    for path in map(Path, sys.argv[1:]):
        with tempfile.TemporaryDirectory() as folder:
            clip = Clip.open(beginning_of(path, SECONDS, folder))
            for price in PRICES:
                key_schedule.WORTH = price  # type: ignore[misc]
                stream = io.BytesIO()
                report = imfcodec.encode(clip.path, stream, **OPTIONS)
                decoder = imfcodec.Decoder(io.BytesIO(stream.getvalue()))
                _, scores = scorer.score(clip, (frame.rgb for frame in decoder))
                lpips = scores["lpips_alex"]
                print(  # noqa: T201
                    path.stem, price, f"{report.sizes.total_bytes} bytes {report.key_frames} keys",
                    f"{lpips.mean:.4f} {lpips.worst:.4f}", flush=True,
                )  # fmt: skip


if __name__ == "__main__":
    main()
