"""Pictures as data URIs, so that the page needs no other file."""

from __future__ import annotations

import base64
import tempfile
from collections.abc import Iterator
from contextlib import ExitStack
from dataclasses import dataclass
from fractions import Fraction
from itertools import islice
from pathlib import Path
from typing import Final

import av
import numpy as np

from imfcodec.bench.clip import Picture
from imfcodec.errors import NoFrames
from imfcodec.media import MediaWriter

_CRF: Final = 14
"""Of H.264: its own loss stays far below that of what is shown."""


@dataclass(frozen=True)
class Film:
    """A video for the page.

    Attributes:
        uri: data: URI.
        frames: How many it has.
    """

    uri: str
    frames: int


def film(pictures: Iterator[Picture], rate: Fraction, limit: int) -> Film:
    """Encode pictures for browsers.

    Args:
        pictures: uint8 RGB [H, W, 3], all of one size.
        rate: Frames per second.
        limit: Frames at most.

    Raises:
        NoFrames: There is no picture.
        OutputFailed: It cannot be encoded.
    """
    with tempfile.TemporaryDirectory() as folder, ExitStack() as stack:
        writer: MediaWriter | None = None
        path, frames = Path(folder) / "film.mp4", 0
        for picture in islice(pictures, limit):
            if writer is None:
                height, width = picture.shape[:2]
                # Browsers show H.264 in 4:2:0 only, which the writer leaves for odd sides.
                odd = bool(width % 2 or height % 2)
                path = path.with_suffix(".webm" if odd else ".mp4")
                writer = stack.enter_context(
                    MediaWriter(
                        path,
                        crf=_CRF,
                        width=width,
                        height=height,
                        time_base=1 / rate,
                        rate=rate,
                    )
                )
            writer.write(frames, picture)
            frames += 1
        if writer is None:
            raise NoFrames("there is no picture to show")
        writer.close()
        kind = path.suffix.removeprefix(".")
        return Film(data_uri(f"video/{kind}", path.read_bytes()), frames)


def still(picture: Picture) -> str:
    """One picture, uint8 RGB [H, W, 3], without loss as a data: URI."""
    coder = av.VideoCodecContext.create("png", "w")
    coder.height, coder.width = picture.shape[:2]
    coder.pix_fmt = "rgb24"
    coder.time_base = Fraction(1)
    frame = av.VideoFrame.from_ndarray(np.ascontiguousarray(picture), format="rgb24")
    packets = [*coder.encode(frame), *coder.encode(None)]
    return data_uri("image/png", b"".join(bytes(packet) for packet in packets))


def data_uri(kind: str, data: bytes) -> str:
    """Bytes of a media type as a data: URI."""
    return f"data:{kind};base64,{base64.b64encode(data).decode('ascii')}"
