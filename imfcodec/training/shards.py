"""Writes training shards: plain arrays of frames, AV1-decoded key frames, and an index."""

from __future__ import annotations

import json
import os
from collections.abc import Iterable, Mapping
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any, BinaryIO

import numpy as np
import numpy.typing as npt

from imfcodec.codec.pictures import Av1PictureDecoder, Av1PictureEncoder, CodedPicture
from imfcodec.errors import OutputFailed
from imfcodec.media import AtomicOutput
from imfcodec.training.name_hash import name_hash

KEY_CRFS = range(26, 57)
"""Qualities at which references are coded: what a sender uses, and worse."""

PAIRS_PER_CLIP = 5
FRAMES_PER_PAIR = 50
"""... of a long clip, which would else show the network the same few references."""

Picture = npt.NDArray[np.uint8]
ClipEntry = Mapping[str, Any]
"""A clip as it stands in ``index.json``."""


@dataclass(frozen=True)
class ClipLabel:
    """What is known of a clip: its name, its person, how often to draw it, its frame step."""

    id: str
    identity: str
    weight: float = 1.0
    stride: int = 1


class ShardWriter:
    """Appends clips to ``frames.u8`` and ``refs.u8``; `close` writes ``index.json``.

    The key frames of a clip are its first frame and random others, and for each another one that
    is predicted from it, all of them really coded with AV1 at a random quality and decoded again:
    what the network will see as reference. Which and how follows from the clip's name alone, so
    that clips may come in any order and in several runs.

    The arrays only grow, so that an older ``index.json`` stays valid meanwhile; `keep` takes back
    what was not meant to stay.

    Attributes:
        clips: entries of the index so far.
    """

    clips: list[ClipEntry]

    def __init__(
        self, folder: Path, size: int, seed: int = 0, clips: Iterable[ClipEntry] = ()
    ) -> None:
        """Create the folder and open its arrays for square pictures of ``size`` pixels.

        Args:
            folder: of the shard.
            size: side of the pictures.
            seed: of the choice of key frames.
            clips: what an earlier writer committed and is kept; all else is cut off.

        Raises:
            OutputFailed: The arrays are shorter than ``clips`` say.
        """
        folder.mkdir(parents=True, exist_ok=True)
        self._folder = folder
        self._size = size
        self._picture_bytes = size * size * 3
        self._seed = seed
        self._encoder = Av1PictureEncoder(size, size, preset=6)
        self.clips = list(clips)
        self._frames = _open(folder / "frames.u8")
        self._refs = _open(folder / "refs.u8")
        present = [file.seek(0, os.SEEK_END) for file in (self._frames, self._refs)]
        self.keep(len(self.clips))
        if present[0] < self._frames.tell() or present[1] < self._refs.tell():
            raise OutputFailed(f"{folder}: the arrays are shorter than they were")

    def add(self, label: ClipLabel, frames: Iterable[Picture]) -> ClipEntry:
        """Append one clip: uint8 [size, size, 3] each, in order, at least one.

        Only one of them is held in memory. After an error call `keep` before the next clip.

        Returns:
            Its entry in the index.

        Raises:
            ValueError: There is no frame, or one of another size.
            KeyframeCodecError: AV1 is not available.
            OSError: The arrays cannot be written.
        """
        start, count = self._frame_count, 0
        for picture in frames:
            if picture.shape != (self._size, self._size, 3) or picture.dtype != np.uint8:
                raise ValueError(f"{label.id}: {picture.dtype} {list(picture.shape)}")
            self._frames.write(picture.tobytes())
            count += 1
        if not count:
            raise ValueError(f"{label.id}: no frames")
        refs = self._add_refs(label, start, count)
        entry = {**asdict(label), "start": start, "count": count, "refs": refs}
        self.clips.append(entry)
        self._frame_count += count
        self._ref_count += len(refs)
        return entry

    def sync(self) -> None:
        """Bring all clips to the disk."""
        for file in (self._frames, self._refs):
            file.flush()
            os.fsync(file.fileno())

    def keep(self, clips: int) -> None:
        """Remove all but the first ``clips`` clips, and what is left of a failed `add`."""
        del self.clips[clips:]
        self._frame_count = sum(clip["count"] for clip in self.clips)
        self._ref_count = sum(len(clip["refs"]) for clip in self.clips)
        for file, pictures in ((self._frames, self._frame_count), (self._refs, self._ref_count)):
            file.truncate(pictures * self._picture_bytes)
            file.seek(0, os.SEEK_END)

    def close(self) -> None:
        """Complete the shard."""
        self.sync()
        self._frames.close()
        self._refs.close()
        index = {
            "size": self._size,
            "frames": self._frame_count,
            "refs": self._ref_count,
            "clips": self.clips,
        }
        with AtomicOutput(self._folder / "index.json", overwrite=True) as output:
            output.file.write(json.dumps(index).encode())

    def _add_refs(self, label: ClipLabel, start: int, count: int) -> list[dict[str, int]]:
        rng = np.random.default_rng([self._seed, name_hash(label.id)])
        pairs = max(PAIRS_PER_CLIP, count // FRAMES_PER_PAIR)
        decoder = Av1PictureDecoder(self._size, self._size)
        refs: list[dict[str, int]] = []
        for frame in [0, *rng.integers(count, size=pairs - 1)]:
            crf, other = int(rng.choice(KEY_CRFS)), int(rng.integers(count))
            source = self._read_back(start + int(frame))
            base, predicted = self._encoder.encode_pair(source, self._read_back(start + other), crf)
            coded: list[tuple[int, CodedPicture, list[CodedPicture]]] = [(int(frame), base, [])]
            if predicted is not None:
                coded.append((other, predicted, [base]))
            for number, picture, earlier in coded:
                self._refs.write(decoder.decode(picture, earlier).tobytes())
                refs.append(
                    {
                        "ref": self._ref_count + len(refs),
                        "frame": number,
                        "crf": crf,
                        "predicted": int(bool(earlier)),
                        "size_bytes": len(picture.config) + len(picture.data),
                    }
                )
        return refs

    def _read_back(self, frame: int) -> Picture:
        self._frames.seek(frame * self._picture_bytes)
        data = self._frames.read(self._picture_bytes)
        self._frames.seek(0, os.SEEK_END)
        return np.frombuffer(data, np.uint8).reshape(self._size, self._size, 3)


def _open(path: Path) -> BinaryIO:
    """For reading and writing, without touching what is there."""
    path.touch()
    return path.open("r+b")
