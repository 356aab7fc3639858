"""The second pass over a source: the kept frames of its shots, cropped and scaled."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from imfcodec.errors import InputUnreadable
from imfcodec.media import resize
from imfcodec.training.prepare.records import Crop, ShotRecord
from imfcodec.training.prepare.scan import Seen, Size, full_pictures
from imfcodec.training.prepare.sources import Source
from imfcodec.training.shards import Picture


class Extractor:
    """Reads one source again, shot after shot."""

    def __init__(self, source: Source, size: Size, side: int, stride: int) -> None:
        """Set up.

        Args:
            source: the video.
            size: (width, height) of its pictures, as the scan found.
            side: of the results, pixels.
            stride: every stride-th frame is kept.
        """
        self._source = source
        self._size = size
        self._side = side
        self._stride = stride

    def clips(
        self, shots: Sequence[ShotRecord], fps: float, seen: Seen
    ) -> Iterator[tuple[ShotRecord, Iterator[Picture]]]:
        """Yield each shot with its frames; those must be used up before the next shot.

        Args:
            shots: those to keep, in order.
            fps: frames per second, for `seen`.
            seen: told of the seconds read.

        Yields:
            The shot and its frames, RGB uint8 [side, side, 3].

        Raises:
            InputUnreadable: the source cannot be read as the first time.
            UnsupportedVideo: as `MediaReader`.
        """
        with full_pictures(self._source.path, self._size) as pictures:
            numbered = enumerate(picture.rgb for picture in pictures)
            for shot in shots:
                yield shot, self._frames(shot, numbered, fps, seen)

    def _frames(
        self, shot: ShotRecord, numbered: Iterator[tuple[int, Picture]], fps: float, seen: Seen
    ) -> Iterator[Picture]:
        assert shot.crop is not None
        left = shot.kept
        for number, picture in numbered:
            seen(number / fps)
            if number >= shot.first and (number - shot.first) % self._stride == 0:
                yield cropped(picture, shot.crop, self._side)
                left -= 1
                if not left:
                    return
        raise InputUnreadable(f"{self._source.path}: changed while it was read")


def cropped(picture: Picture, crop: Crop, side: int) -> Picture:
    """Cut out and scale; a picture that is already so is returned as it is.

    Args:
        picture: RGB uint8 [H, W, 3].
        crop: inside of it.
        side: of the result, pixels.

    Returns:
        RGB uint8 [side, side, 3].
    """
    part = picture[crop.y : crop.y + crop.side, crop.x : crop.x + crop.side]
    return resize(part, (side, side))
