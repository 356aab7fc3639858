"""The second pass over a source: the kept frames of its shots, cropped and scaled."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from pathlib import Path

from imfcodec.errors import InputUnreadable
from imfcodec.media import AudioMode, MediaReader, resize
from imfcodec.training.prepare.options import PrepareOptions
from imfcodec.training.prepare.records import Crop, ShotRecord
from imfcodec.training.prepare.scan import Seen, Size
from imfcodec.training.shards import Pictures

NOMINAL_FPS = 25.0  # for the progress, where the source names none


def clips_of(
    path: Path,
    size: Size,
    fps: float | None,
    shots: Sequence[ShotRecord],
    options: PrepareOptions,
    seen: Seen,
) -> Iterator[Iterator[Pictures]]:
    """Read a source again and yield the frames of each shot, RGB uint8 [side, side, 3].

    They must be used up before those of the next shot.

    Args:
        path: The video.
        size: (width, height) of its pictures, as the scan found.
        fps: Frames per second, None if the source names none.
        shots: Those to keep, in order.
        options: Of the run.
        seen: Told of the seconds read.

    Raises:
        InputUnreadable: The source cannot be read as the first time.
        UnsupportedVideo: As `MediaReader`.
    """

    def frames(shot: ShotRecord) -> Iterator[Pictures]:
        assert shot.crop is not None
        left = shot.kept
        for number, picture in numbered:
            seen(number / (fps or NOMINAL_FPS))
            if number >= shot.first and (number - shot.first) % options.stride == 0:
                yield cropped(picture.rgb, shot.crop, options.size)
                left -= 1
                if not left:
                    return
        raise InputUnreadable(f"{path}: changed while it was read")

    with MediaReader(path, audio=AudioMode.NONE, size=size) as reader:
        numbered = enumerate(reader.pictures())
        for shot in shots:
            yield frames(shot)


def cropped(picture: Pictures, crop: Crop, side: int) -> Pictures:
    """Cut out and scale, RGB uint8 [H, W, 3] -> [side, side, 3]; itself if it is already so."""
    part = picture[crop.y : crop.y + crop.side, crop.x : crop.x + crop.side]
    return resize(part, (side, side))
