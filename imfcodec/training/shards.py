"""Training shards: folders of plain files, read and written.

``frames.u8`` and ``refs.u8`` hold uint8 RGB pictures of one size back to back. ``index.json`` says
which clip each run of frames belongs to and which ``refs`` are AV1-decoded versions of which frame.
``landmarks.f32`` may say where faces are, and ``sent.safetensors`` what a sender chose for some of
the frames.
"""

from __future__ import annotations

import hashlib
import json
import os
from collections.abc import Iterable, Mapping
from dataclasses import asdict, dataclass
from functools import cached_property
from pathlib import Path
from typing import Any, BinaryIO, NamedTuple

import numpy as np

from imfcodec.arrays import Pictures
from imfcodec.codec.pictures import Av1PictureDecoder, Av1PictureEncoder, CodedPicture
from imfcodec.errors import InputUnreadable, OutputFailed
from imfcodec.media import AtomicOutput
from imfcodec.training.landmarks import load_landmarks
from imfcodec.training.sent_tokens import SentTokens, load_sent

KEY_CRFS = range(26, 57)
"""Qualities at which references are coded: what a sender uses, and worse."""

PAIRS_PER_CLIP = 5
FRAMES_PER_PAIR = 50
"""... of a long clip, which would else show the network the same few references."""

ClipEntry = Mapping[str, Any]
"""A clip as it stands in ``index.json``."""


class DecodedReference(NamedTuple):
    """One decoded key frame.

    Attributes:
        place: Its index in ``refs.u8``.
        frame: Within the clip, that it was made of.
        crf: Of its independent key frame, which it is itself if it is not predicted.
        predicted: Whether it is.
    """

    place: int
    frame: int
    crf: int
    predicted: bool


@dataclass(frozen=True)
class Clip:
    """One clip of a shard.

    Attributes:
        identity: Label of the person.
        start: Index of its first frame in ``frames.u8``.
        count: Frames.
        refs: Its decoded key frames.
        weight: How often it is drawn, 1 by default.
    """

    identity: str
    start: int
    count: int
    refs: tuple[DecodedReference, ...]
    weight: float

    @classmethod
    def of_entry(cls, entry: ClipEntry) -> Clip:
        """The clip of an entry of the index."""
        refs = tuple(
            DecodedReference(ref["ref"], ref["frame"], ref["crf"], bool(ref["predicted"]))
            for ref in entry["refs"]
        )
        weight = entry.get("weight", 1.0)
        return cls(entry["identity"], entry["start"], entry["count"], refs, weight)


class Shard:
    """Memory-mapped frames with their index.

    Attributes:
        size: Side of the pictures in pixels.
        frames, refs: uint8 [N, size, size, 3].
        clips: What lies where.
        landmarks: float32 [frames, 10] as in `landmarks`, None if they were not looked for.
    """

    def __init__(self, folder: Path, shown: Path | None = None) -> None:
        """Map a shard; ``shown`` is for `show_references`.

        Raises:
            InputUnreadable: The folder is not a shard, or an array is shorter than its index
                says.
        """
        self._folder = folder
        self._shown = shown
        try:
            index = json.loads((folder / "index.json").read_text())
            self.size: int = index["size"]
            self.frames = self._map(folder / "frames.u8", index["frames"])
            self.refs = self._map(shown or folder / "refs.u8", index["refs"])
            self.landmarks = load_landmarks(folder, index["frames"])
            self.clips = [Clip.of_entry(e) for e in index["clips"] if e["count"] >= 2]
        except (OSError, KeyError, ValueError) as error:
            raise InputUnreadable(f"{folder} is no training shard: {error}") from error
        if not self.clips:
            raise InputUnreadable(f"{folder} holds no clip of two frames or more")

    @cached_property
    def sent(self) -> SentTokens | None:
        """Tokens of some of the frames, read when they are wanted; None if no sender was asked.

        Raises:
            InputUnreadable: They are damaged, or belong to another shard.
        """
        return load_sent(self._folder, len(self.frames), len(self.refs))

    def decoded_pairs(self) -> list[tuple[int, int]]:
        """Of each decoded key frame the index in ``refs`` and that of its source in ``frames``."""
        return [(ref.place, clip.start + ref.frame) for clip in self.clips for ref in clip.refs]

    def show_references(self, path: Path) -> None:
        """Show other pictures as decoded key frames: a file like ``refs.u8``, as long."""
        self._shown = path
        self.refs = self._map(path, len(self.refs))

    def __reduce__(self) -> tuple[Any, ...]:
        """A copy in another process maps the same files."""
        return Shard, (self._folder, self._shown)

    def _map(self, path: Path, count: int) -> Pictures:
        if count == 0:
            return np.zeros((0, self.size, self.size, 3), np.uint8)
        return np.memmap(path, np.uint8, "r", shape=(count, self.size, self.size, 3))


def name_hash(name: str) -> int:
    """64 bits of a name's sha256: choices by name are the same in every run, order and place."""
    # A file system may have put any bytes into a name.
    digest = hashlib.sha256(name.encode(errors="surrogateescape")).digest()
    return int.from_bytes(digest[:8], "big")


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
        clips: Entries of the index so far.
    """

    def __init__(self, folder: Path, size: int, clips: Iterable[ClipEntry] = ()) -> None:
        """Create the folder and open its arrays for square pictures of ``size`` pixels.

        What an earlier writer committed, ``clips``, is kept; all else is cut off.

        Raises:
            OutputFailed: The arrays are shorter than ``clips`` say.
        """
        folder.mkdir(parents=True, exist_ok=True)
        self._folder = folder
        self._size = size
        self._picture_bytes = size * size * 3
        self._encoder = Av1PictureEncoder(size, size, preset=6)
        self.clips: list[ClipEntry] = list(clips)
        self._frames = _open(folder / "frames.u8")
        self._refs = _open(folder / "refs.u8")
        present = [file.seek(0, os.SEEK_END) for file in (self._frames, self._refs)]
        self.keep(len(self.clips))
        if present[0] < self._frames.tell() or present[1] < self._refs.tell():
            raise OutputFailed(f"{folder}: the arrays are shorter than they were")

    def add(self, label: ClipLabel, frames: Iterable[Pictures]) -> ClipEntry:
        """Append one clip, at least one frame uint8 [size, size, 3]; returns its entry.

        Only one frame is held in memory. After an error call `keep` before the next clip.

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
        rng = np.random.default_rng([0, name_hash(label.id)])
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

    def _read_back(self, frame: int) -> Pictures:
        self._frames.seek(frame * self._picture_bytes)
        data = self._frames.read(self._picture_bytes)
        self._frames.seek(0, os.SEEK_END)
        return np.frombuffer(data, np.uint8).reshape(self._size, self._size, 3)


def _open(path: Path) -> BinaryIO:
    """For reading and writing, without touching what is there."""
    path.touch()
    return path.open("r+b")
