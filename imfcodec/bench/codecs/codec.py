"""The interface of a codec in the benchmark."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Protocol

from imfcodec.arrays import Picture
from imfcodec.bench.clip import Clip


@dataclass(frozen=True)
class Encoded:
    """A clip, coded.

    Attributes:
        path: The written file; what is decoded is read back from it.
        size_bytes: What counts as rate: an .imf file less its audio; of another codec its
            packets and parameter sets, without any container (which favours it).
        key_frames: Key frames in it, None if unknown.
    """

    path: Path
    size_bytes: int
    key_frames: int | None = None


class Codec(Protocol):
    """One curve of the benchmark. Instances are small, frozen and picklable.

    Attributes:
        name: Short, unique, without spaces: `svtav1-ra-p2-192px`.
        label: For people: `SVT-AV1 preset 2, random access, 192 px`.
        family: Curves of one family compete; the best of them at each rate is the family's
            curve: `SVT-AV1 preset 2, random access`.
        role: "ours", "anchor", or "floor" (the frozen key frame).
        settings: The ladder, from low to high rate.
    """

    @property
    def name(self) -> str: ...  # noqa: D102
    @property
    def label(self) -> str: ...  # noqa: D102
    @property
    def family(self) -> str: ...  # noqa: D102
    @property
    def role(self) -> str: ...  # noqa: D102
    @property
    def settings(self) -> tuple[str, ...]: ...  # noqa: D102

    def missing(self) -> str | None:
        """Why it cannot run here, None if it can."""
        ...

    def version(self) -> str:
        """All that its output depends on besides clip and setting: versions, weights, options."""
        ...

    def encode(self, clip: Clip, setting: str, folder: Path) -> Encoded:
        """Code a whole clip into a file in ``folder``.

        Raises:
            ImfcodecError, OSError, av.FFmpegError: It failed on this clip.
        """
        ...

    def decode(self, encoded: Encoded, clip: Clip) -> Iterator[Picture]:
        """The decoded frames at the clip's size, one for every source frame, one at a time."""
        ...
