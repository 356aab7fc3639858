"""Pictures for people to look at."""

from __future__ import annotations

from fractions import Fraction
from pathlib import Path

import av
import numpy as np
from torch import Tensor


def write_png(path: Path, picture: Tensor) -> None:
    """Write [3, H, W] in 0..1 as a PNG file."""
    rgb = picture.mul(255).round().clamp(0, 255).byte().permute(1, 2, 0).cpu().numpy()
    frame = av.VideoFrame.from_ndarray(np.ascontiguousarray(rgb), format="rgb24")
    coder = av.VideoCodecContext.create("png", "w")
    coder.width, coder.height, coder.pix_fmt = frame.width, frame.height, "rgb24"
    coder.time_base = Fraction(1)
    frame.pts = 0
    data = b"".join(bytes(p) for p in [*coder.encode(frame), *coder.encode(None)])
    path.write_bytes(data)
