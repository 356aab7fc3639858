"""Pictures as data URIs, so that the page needs no other file."""

from __future__ import annotations

import base64
import tempfile
from collections.abc import Iterator
from fractions import Fraction
from itertools import chain, islice
from pathlib import Path
from typing import Final, NamedTuple

import av
import numpy as np

from imfcodec.arrays import Picture
from imfcodec.errors import NoFrames
from imfcodec.media import MediaWriter

_CRF: Final = 14
"""Of H.264: its own loss stays far below that of what is shown."""


class Film(NamedTuple):
    """A video for the page: its data: URI, and how many frames it has."""

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
    first = next(pictures, None)
    if first is None:
        raise NoFrames("there is no picture to show")
    height, width = first.shape[:2]
    # Browsers show H.264 in 4:2:0 only, which the writer leaves for odd sides.
    kind = "webm" if width % 2 or height % 2 else "mp4"
    frames = 0
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / f"film.{kind}"
        with MediaWriter(
            path, crf=_CRF, width=width, height=height, time_base=1 / rate, rate=rate
        ) as writer:
            for frames, picture in enumerate(islice(chain([first], pictures), limit), 1):
                writer.write(frames - 1, picture)
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
