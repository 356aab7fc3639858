"""Videos and stills of points for the page, each made once.

Decoding a clip again takes far longer than everything else on the page. Videos and stills of a
coded clip are therefore cached, and a second report of the same points decodes nothing.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from fractions import Fraction
from itertools import islice
from typing import Any

from imfcodec.bench.clip import Picture
from imfcodec.bench.fingerprint import showing_digest
from imfcodec.bench.memo import Memo
from imfcodec.bench.report.media import Film, film, still
from imfcodec.errors import NoFrames

Pictures = Callable[[str, str, str], Iterator[Picture]]
"""(clip, codec, setting) -> decoded frames, uint8 RGB [H, W, 3]; codec "source": the clip."""

Identity = Callable[[str, str, str], str | None]
"""The same -> a digest of all that these frames depend on, None where it is not known."""


@dataclass(frozen=True)
class Kept:
    """Where shots are kept, and under which name."""

    memo: Memo
    identity: Identity


@dataclass(frozen=True)
class Shots:
    """Makes videos and stills of decoded clips.

    Attributes:
        pictures: Decodes. What it raises passes through and is not kept.
        kept: None keeps nothing.
    """

    pictures: Pictures
    kept: Kept | None = None

    def film(self, point: tuple[str, str, str], rate: Fraction, limit: int) -> Film:
        """A video of a point's first frames, as `media.film` makes it.

        Args:
            point: Clip, codec and setting.
            rate: Frames per second.
            limit: Frames at most.
        """

        def make() -> list[Any]:
            made = film(self.pictures(*point), rate, limit)
            return [made.uri, made.frames]

        return Film(*self._once(point, ["film", str(rate), limit], make))

    def still(self, point: tuple[str, str, str], number: int) -> str:
        """One frame of a point, as `media.still` makes it.

        Args:
            point: Clip, codec and setting.
            number: Of the frame, from 0.

        Raises:
            NoFrames: There is no such frame.
        """

        def make() -> str:
            picture = next(islice(self.pictures(*point), number, None), None)
            if picture is None:
                raise NoFrames(f"there is no frame {number}")
            return still(picture)

        return str(self._once(point, ["still", number], make))

    def _once(self, point: tuple[str, str, str], what: list[Any], make: Callable[[], Any]) -> Any:
        if self.kept is None:
            return make()
        memo, identity = self.kept.memo, self.kept.identity(*point)
        if identity is not None:
            known = memo.get([identity, what, showing_digest()])
            if known is not None:
                return known
        made = make()
        # Asked again: decoding may have had to code the clip first.
        identity = self.kept.identity(*point)
        if identity is not None:
            memo.put([identity, what, showing_digest()], made)
        return made
