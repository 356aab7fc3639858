"""Where the sender cuts and where it sees drift, for each clip and in both manners.

    python benchmarks/experiments/shots.py CLIPS...

Prints the largest unexplained change of neighbouring frames in 8-bit levels, and the frames at
which a key frame is due for another reason than the interval.
"""

from __future__ import annotations

import sys
from itertools import islice, pairwise
from pathlib import Path

from imfcodec.media import CodingGeometry, MediaReader
from imfcodec.sender.planning.keyframe_policy import KeyframePolicy
from imfcodec.sender.planning.shots import ShotDetector, thumbnail, unexplained_change
from imfcodec.sender.source_frame import SourceFrame

INTERVAL_S, FRAMES = 3, 300


def main() -> None:
    """One line a clip and manner."""
    for path in map(Path, sys.argv[1:]):
        with MediaReader(path, audio="none") as reader:
            geometry = CodingGeometry.fit(reader.info.width, reader.info.height)
            time_base = reader.info.time_base
            frames = [
                SourceFrame(n, picture.pts, geometry.to_coded(picture.rgb))
                for n, picture in enumerate(islice(reader.pictures(), FRAMES))
            ]
        small = [thumbnail(frame.picture) for frame in frames]
        most = max((unexplained_change(b, a) for a, b in pairwise(small)), default=0.0)
        for hasty in (False, True):
            detector = ShotDetector(time_base, hasty=hasty)
            ticks = float(INTERVAL_S / time_base)
            policy = KeyframePolicy(
                ticks if hasty else None,
                True,
                1e9,
                time_base=time_base,
                planned_ticks=None if hasty else ticks,
            )
            found = []
            for frame in [*frames, None]:
                known = detector.push(frame) if frame else detector.flush()
                for seen, cut in known:
                    if kind := policy.decide(seen.pts, seen.picture, cut=cut):
                        policy.take(seen.pts, kind)
                        if not policy.due:
                            found.append(f"{seen.number}{' cut' if cut else ''}")
            manner = "hasty" if hasty else "patient"
            print(f"{path.name:24} {manner:8} change {most:5.1f}  {', '.join(found[1:]) or '-'}")  # noqa: T201


if __name__ == "__main__":
    main()
