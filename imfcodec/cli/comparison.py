"""Quality of a decoded video against its source; holds only a few frames in memory."""

from __future__ import annotations

from collections.abc import Callable, Collection
from dataclasses import dataclass
from importlib.util import find_spec
from pathlib import Path
from typing import Final

import numpy as np

from imfcodec.media import AudioMode, MediaReader
from imfcodec.metrics.fidelity import capped_db, psnr_rgb_db
from imfcodec.metrics.structure import ssim

_SSIM_SIDE: Final = 11
"""Smallest side in pixels: SSIM's window must fit."""


@dataclass(frozen=True)
class Quality:
    """Means over the frames of a video; a frame without any error counts as 100 dB.

    Attributes:
        psnr_rgb_db: Mean of the frames' PSNR-RGB.
        ssim: Mean of their SSIM; None if it is not measured.
    """

    psnr_rgb_db: float
    ssim: float | None


@dataclass(frozen=True)
class Comparison:
    """A decoded video against its source.

    Attributes:
        frames: Frames compared.
        decoded: Quality of the decoded video.
        frozen: Quality of its key frames, or of the first pictures of its AV1 runs, each held
            until the next, as if no motion were sent. Tokens and runs are worth the difference.
        note: Why a metric was not measured; empty if all were.
    """

    frames: int
    decoded: Quality
    frozen: Quality
    note: str


def compare(
    source: Path,
    decoded: Path,
    key_frames: Collection[int],
    progress: Callable[[int, float], None] | None = None,
) -> Comparison:
    """Compare two videos frame by frame, at the size of the decoded one.

    Args:
        source: The original.
        decoded: The decoded video; its frames match those of the source one to one.
        key_frames: Numbers of the frames that were key frames, or the first of an AV1 run.
        progress: Called with each frame and its time in seconds.

    Raises:
        InputUnreadable, NoVideoStream, NoFrames, UnsupportedVideo: One of them is no video.
    """
    frames = 0
    sums = np.zeros((2, 2))  # PSNR and SSIM of the decoded pictures and of the frozen ones
    with MediaReader(decoded, audio=AudioMode.NONE) as after:
        size = (after.info.width, after.info.height)
        note = _why_no_ssim(size)
        with MediaReader(source, audio=AudioMode.NONE, size=size) as before:
            for original, shown in zip(before.pictures(), after.pictures(), strict=False):
                if frames == 0 or frames in key_frames:
                    frozen = shown.rgb.copy()
                frames += 1
                for total, picture in zip(sums, (shown.rgb, frozen), strict=True):
                    total += (
                        capped_db(psnr_rgb_db(original.rgb, picture)),
                        0 if note else ssim(original.rgb, picture),
                    )
                if progress:
                    progress(frames, float(shown.pts * after.info.time_base))
    means = (sums / max(frames, 1)).tolist()
    of_decoded, of_frozen = (Quality(psnr_db, None if note else value) for psnr_db, value in means)
    return Comparison(frames, of_decoded, of_frozen, note)


def _why_no_ssim(size: tuple[int, int]) -> str:
    if find_spec("skimage") is None:
        return "SSIM is left out: it needs scikit-image (pip install 'imfcodec[bench]')"
    if min(size) < _SSIM_SIDE:
        return f"SSIM is left out: the picture is below {_SSIM_SIDE} pixels"
    return ""
