"""Writes training shards: plain arrays of frames, AV1-decoded key frames, and an index."""

from __future__ import annotations

import json
from dataclasses import asdict, dataclass
from pathlib import Path

import numpy as np
import numpy.typing as npt

from imfcodec.keyframe import Av1PictureDecoder, Av1PictureEncoder

KEY_CRFS = (28, 34, 40, 46, 52, 58)
"""Qualities at which references are coded: what a sender uses, and worse."""

REFERENCES_PER_CLIP = 3
Picture = npt.NDArray[np.uint8]


@dataclass(frozen=True)
class ClipLabel:
    """What is known of a clip: its name, its person, how often to draw it, its frame step."""

    id: str
    identity: str
    weight: float = 1.0
    stride: int = 1


class ShardWriter:
    """Appends clips to ``frames.u8`` and ``refs.u8``; `close` writes ``index.json``.

    The key frames of a clip are its first frame and random others, each really coded with AV1
    at a random quality and decoded again: what the network will see as reference.
    """

    def __init__(self, folder: Path, size: int, seed: int = 0) -> None:
        """Create the folder and open its arrays for square pictures of ``size`` pixels."""
        folder.mkdir(parents=True, exist_ok=True)
        self._folder = folder
        self._size = size
        self._rng = np.random.default_rng(seed)
        self._encoder = Av1PictureEncoder(size, size, preset=6)
        self._frames = (folder / "frames.u8").open("wb")
        self._refs = (folder / "refs.u8").open("wb")
        self._clips: list[dict[str, object]] = []
        self._frame_count = self._ref_count = 0

    def add(self, label: ClipLabel, frames: list[Picture]) -> None:
        """Append one clip: uint8 [size, size, 3] each, in order."""
        refs = []
        chosen = [0, *self._rng.integers(len(frames), size=REFERENCES_PER_CLIP - 1)]
        for frame in chosen:
            crf = int(self._rng.choice(KEY_CRFS))
            sequence, data = self._encoder.encode(frames[frame], crf)
            picture = Av1PictureDecoder(self._size, self._size, sequence).decode(data)
            self._refs.write(picture.tobytes())
            refs.append(
                {
                    "ref": self._ref_count,
                    "frame": int(frame),
                    "crf": crf,
                    "size_bytes": len(sequence) + len(data),
                }
            )
            self._ref_count += 1
        for picture in frames:
            self._frames.write(picture.tobytes())
        self._clips.append(
            {
                **asdict(label),
                "start": self._frame_count,
                "count": len(frames),
                "refs": refs,
            }
        )
        self._frame_count += len(frames)

    def close(self) -> None:
        """Complete the shard."""
        self._frames.close()
        self._refs.close()
        index = {
            "size": self._size,
            "frames": self._frame_count,
            "refs": self._ref_count,
            "clips": self._clips,
        }
        (self._folder / "index.json").write_text(json.dumps(index))
