"""Quality of a decoded video against its source; holds only a few frames in memory."""

from __future__ import annotations

from collections.abc import Callable, Collection
from dataclasses import dataclass, field
from importlib.util import find_spec
from pathlib import Path
from typing import TYPE_CHECKING, Final

if TYPE_CHECKING:
    import numpy as np
    import numpy.typing as npt

    Picture = npt.NDArray[np.uint8]

EQUAL_DB: Final = 100.0
"""PSNR of a frame without any error: the mean of a video must stay finite."""

_SSIM_SIDE: Final = 11
"""Smallest side in pixels: SSIM's window must fit."""


@dataclass
class Quality:
    """Means over the frames of a video.

    Attributes:
        psnr_rgb_db: Mean of the frames' PSNR-RGB.
        ssim: Mean of their SSIM; None where it is not measured.
    """

    psnr_rgb_db: float = 0.0
    ssim: float | None = None

    def add(self, count: int, psnr_rgb_db: float, ssim: float | None) -> None:
        """Add the `count`-th frame."""
        self.psnr_rgb_db += (min(psnr_rgb_db, EQUAL_DB) - self.psnr_rgb_db) / count
        if ssim is not None:
            self.ssim = (self.ssim or 0.0) + (ssim - (self.ssim or 0.0)) / count


@dataclass
class Comparison:
    """A decoded video against its source.

    Attributes:
        frames: Frames compared.
        decoded: Quality of the decoded video.
        frozen: Quality of its key frames, each held until the next, as if no motion were sent.
            The tokens are worth the difference.
        note: Why a metric was not measured; empty if all were.
    """

    frames: int = 0
    decoded: Quality = field(default_factory=Quality)
    frozen: Quality = field(default_factory=Quality)
    note: str = ""


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
        key_frames: Numbers of the frames that were key frames.
        progress: Called with each frame and its time in seconds.

    Raises:
        InputUnreadable, NoVideoStream, NoFrames, UnsupportedVideo: One of them is no video.
    """
    from imfcodec.media import AudioMode, MediaReader
    from imfcodec.metrics.fidelity import psnr_rgb_db
    from imfcodec.metrics.structure import ssim

    result = Comparison()
    with MediaReader(decoded, audio=AudioMode.NONE) as after:
        size = (after.info.width, after.info.height)
        structure = _why_no_ssim(size)
        result.note = structure
        with MediaReader(source, audio=AudioMode.NONE, size=size) as before:
            frozen: Picture | None = None
            for number, (original, shown) in enumerate(
                zip(before.pictures(), after.pictures(), strict=False)
            ):
                if frozen is None or number in key_frames:
                    frozen = shown.rgb.copy()
                result.frames += 1
                for quality, picture in ((result.decoded, shown.rgb), (result.frozen, frozen)):
                    quality.add(
                        result.frames,
                        psnr_rgb_db(original.rgb, picture),
                        None if structure else ssim(original.rgb, picture),
                    )
                if progress:
                    progress(result.frames, float(shown.pts * after.info.time_base))
    return result


def _why_no_ssim(size: tuple[int, int]) -> str:
    if find_spec("skimage") is None:
        return "SSIM is left out: it needs scikit-image (pip install 'imfcodec[bench]')"
    if min(size) < _SSIM_SIDE:
        return f"SSIM is left out: the picture is below {_SSIM_SIDE} pixels"
    return ""
