"""What plain AV1 costs and gives, by the frames that a picture is held for, CRF and preset.

    python benchmarks/experiments/plain_video.py WAYS CLIPS...

WAYS are separated by commas. Each is hold/CRF/preset, as in 2/66/1,1/54/1. Prints one line for each
clip and way: bytes, kbps, LPIPS (AlexNet), PSNR-RGB in dB and seconds of CPU.
"""

from __future__ import annotations

import sys
import time
from pathlib import Path

import av
import click
import numpy as np

from imfcodec.codec.pictures.av1_video import VideoDecoder, encode_video
from imfcodec.metrics.fidelity import psnr_rgb_db
from imfcodec.metrics.perceptual import Lpips

EVERY = 5
"""One of so many frames is compared."""


def main() -> None:
    """One line for each way and clip."""
    lpips = Lpips("alex")
    for clip in map(Path, sys.argv[2:]):
        with av.open(clip) as file:
            rate = file.streams.video[0].average_rate
            assert rate is not None
            source = [frame.to_ndarray(format="rgb24") for frame in file.decode(video=0)]
        height, width = source[0].shape[:2]
        for way in sys.argv[1].split(","):
            hold, preset = int(way.split("/")[0]), int(way.split("/")[2])
            begun_s = time.process_time()
            units = encode_video(source[::hold], rate / hold, float(way.split("/")[1]), preset)
            cpu_s = time.process_time() - begun_s
            decoder = VideoDecoder(width, height)
            pictures = list(map(decoder.decode, units))
            pairs = [(source[n], pictures[n // hold]) for n in range(0, len(source), EVERY)]
            sources, shown = map(np.stack, zip(*pairs, strict=True))
            size = sum(map(len, units))
            kbps = 8 * size * float(rate) / len(source) / 1000
            psnr_db = np.mean([psnr_rgb_db(*pair) for pair in pairs])
            click.echo(
                f"{clip.stem} {way} {size} {kbps:.2f} {lpips(sources, shown).mean():.4f} "
                f"{psnr_db:.2f} {cpu_s:.1f}",
            )


if __name__ == "__main__":
    main()
