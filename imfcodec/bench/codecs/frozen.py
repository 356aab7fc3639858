"""The floor: the key frame alone, repeated."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from itertools import repeat
from pathlib import Path
from typing import ClassVar

import av

from imfcodec.arrays import Picture
from imfcodec.bench.clip import Clip
from imfcodec.bench.codecs.codec import Encoded
from imfcodec.bench.codecs.pyav import coder_missing
from imfcodec.codec.pictures import Av1PictureDecoder, Av1PictureEncoder, CodedPicture
from imfcodec.config import EncodeOptions
from imfcodec.media import CodingGeometry


@dataclass(frozen=True)
class Frozen:
    """A clip's first frame, coded as a key frame of ours, for as long as the clip lasts.

    What counts is the AV1 picture with its sequence header: not a byte of our own format.

    Attributes:
        preset: Of SVT-AV1.
        short_side: Pixels to which a larger picture's short side is reduced, as our sender does.
    """

    preset: int = 2
    short_side: int = EncodeOptions.short_side

    name: ClassVar[str] = "frozen"
    label: ClassVar[str] = "frozen key frame"
    family: ClassVar[str] = label
    role: ClassVar[str] = "floor"
    settings: ClassVar[tuple[str, ...]] = ("crf56", "crf48", "crf40", "crf32")
    """Constant rate factors, from low to high rate; 63 is the highest."""

    def missing(self) -> str | None:
        """Whether this build of PyAV lacks the AV1 coders."""
        return coder_missing("libsvtav1", "w") or coder_missing("libdav1d", "r")

    def version(self) -> str:
        """PyAV's release, which fixes its libraries, and the options."""
        return (
            f"PyAV {av.__version__}, libsvtav1 low-delay preset={self.preset}, {self.short_side} px"
        )

    def encode(self, clip: Clip, setting: str, folder: Path) -> Encoded:
        """Code the first frame into ``folder``.

        Raises:
            KeyframeCodecError: The encoder refuses.
            InputUnreadable: The clip cannot be read.
        """
        geometry = self._geometry(clip)
        picture = geometry.to_coded(next(clip.pictures()))
        coder = Av1PictureEncoder(*geometry.coded, self.preset)
        coded = coder.encode(picture, int(setting.removeprefix("crf")))
        data = coded.config + coded.data
        path = folder / f"{self.name}-{setting}.obu"
        path.write_bytes(data)
        return Encoded(path, len(data), key_frames=1)

    def decode(self, encoded: Encoded, clip: Clip) -> Iterator[Picture]:
        """The same picture for every frame of the clip.

        Raises:
            CorruptStream, LimitExceeded: The file does not hold such a picture.
        """
        geometry = self._geometry(clip)
        coder = Av1PictureDecoder(*geometry.coded)
        coded = CodedPicture(config=b"", data=encoded.path.read_bytes())
        picture = geometry.to_display(coder.decode(coded))
        yield from repeat(picture, clip.frames)

    def _geometry(self, clip: Clip) -> CodingGeometry:
        return CodingGeometry.fit(clip.width, clip.height, self.short_side)
