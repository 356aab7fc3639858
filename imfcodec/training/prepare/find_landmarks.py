"""The last pass: where the faces are in the frames that were kept."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np

from imfcodec.media import writing
from imfcodec.training.landmarks import FILE, VALUES
from imfcodec.training.prepare.faces import FaceDetector
from imfcodec.training.prepare.scan import Seen


def find_landmarks(shard: Path, detector: FaceDetector, seen: Seen) -> None:
    """Write or complete ``landmarks.f32`` of a finished shard.

    Shards only grow, and a frame's landmarks follow from the frame alone: what stands there
    already is right, however the last run ended.

    Args:
        shard: Its folder.
        detector: YuNet.
        seen: Told of the number of frames looked at.

    Raises:
        OutputFailed: The disk is full.
    """
    index = json.loads((shard / "index.json").read_text())
    shape = (index["frames"], index["size"], index["size"], 3)
    frames = np.memmap(shard / "frames.u8", np.uint8, "r", shape=shape)
    size = VALUES * 4
    with writing(str(shard / FILE)), (shard / FILE).open("ab") as file:
        done = min(file.tell() // size, len(frames))
        file.truncate(done * size)
        for number in range(done, len(frames)):
            points = detector.landmarks(frames[number])
            file.write(np.asarray(points, np.float32).tobytes())
            seen(number + 1)
