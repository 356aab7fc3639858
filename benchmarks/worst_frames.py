"""A contact sheet of the worst frames of a benchmark run, drawn anew from its settings.

    python benchmarks/worst_frames.py RESULTS.json VAL OUT.jpg [CACHE]

For each of the ten clips whose worst frames are worst, a row of four pictures: the key frame that
ours was rebuilt from as the receiver shows it, the source, ours, and the best anchor at about the
same rate. Which clips, frames and anchors follows from the results alone, as for the page of
`imfcodec bench`. Coded clips come from the cache of `imfcodec bench`; those that it lacks are coded
again, in two minutes each on two cores.
"""

from __future__ import annotations

import sys
import tempfile
from itertools import islice
from pathlib import Path

import av
import numpy as np

from imfcodec.bench.cache import Cache, default_cache_folder
from imfcodec.bench.clip import Clip
from imfcodec.bench.clips import find_clips, open_clips
from imfcodec.bench.codecs.codec import Codec, Encoded
from imfcodec.bench.codecs.lineup import lineup
from imfcodec.bench.job import Job
from imfcodec.bench.report.showcase import Pair, worst_pairs
from imfcodec.bench.results import Point, Results
from imfcodec.bench.score_options import ScoreOptions
from imfcodec.receiver.decoder import Decoder

COUNT, COLUMNS = 10, 2


def main(results_path: str, folder: str, out: str, cache_path: str | None = None) -> None:
    """Draw the sheet and say what is in it, row by row."""
    cache = Cache(Path(cache_path) if cache_path else default_cache_folder())
    results = Results.load(Path(results_path))
    clips = {clip.name: clip for clip in open_clips(find_clips([Path(folder)]))[0]}
    codecs = {codec.name: codec for codec in lineup()}
    pairs = worst_pairs(results, COUNT)
    for name in {p.codec for pair, _ in pairs for p in (pair.ours, pair.anchor) if p}:
        if name not in codecs:
            sys.exit(f"{results_path} holds {name}, which is not here: run the benchmark again")
    rows = []
    for pair, metric in pairs:
        frame = pair.ours.scores[metric.name].worst_frame or 0
        rows.append(_row(pair, frame, clips[pair.ours.clip], codecs, cache))
        anchor = pair.anchor and f"{pair.anchor.codec} {pair.anchor.setting}"
        sys.stdout.write(f"{pair.ours.clip} frame {frame}: {pair.ours.setting}, {anchor}\n")
    columns = np.array_split(rows, COLUMNS)
    height = max(len(column) for column in columns) * rows[0].shape[0]
    sheet = np.full((height, COLUMNS * rows[0].shape[1], 3), 255, np.uint8)
    for n, column in enumerate(columns):
        picture = np.concatenate(list(column))
        left = n * picture.shape[1]
        sheet[: picture.shape[0], left : left + picture.shape[1]] = picture
    _write(sheet, Path(out))


def _row(pair: Pair, frame: int, clip: Clip, codecs: dict[str, Codec], cache: Cache) -> np.ndarray:
    source = next(islice(clip.pictures(), frame, None))
    with tempfile.TemporaryDirectory() as folder:
        coded = _coded(pair.ours, clip, codecs, cache, Path(folder))
        with coded.path.open("rb") as file:
            shown = list(Decoder(file))
    pictures = [shown[shown[frame].key].rgb, source, shown[frame].rgb]
    if pair.anchor:
        pictures.append(_anchor(pair.anchor, frame, clip, codecs, cache))
    return np.concatenate(pictures, axis=1)


def _anchor(
    point: Point, frame: int, clip: Clip, codecs: dict[str, Codec], cache: Cache
) -> np.ndarray:
    with tempfile.TemporaryDirectory() as folder:
        coded = _coded(point, clip, codecs, cache, Path(folder))
        return next(islice(codecs[point.codec].decode(coded, clip), frame, None))


def _coded(
    point: Point, clip: Clip, codecs: dict[str, Codec], cache: Cache, folder: Path
) -> Encoded:
    codec = codecs[point.codec]
    known = cache.coded(Job(clip, codec, point.setting, codec.version(), ScoreOptions()))
    return known.unpack(folder) if known else codec.encode(clip, point.setting, folder)


def _write(picture: np.ndarray, path: Path) -> None:
    with av.open(str(path), "w", format="image2") as container:
        stream = container.add_stream("mjpeg", rate=1)
        stream.height, stream.width = picture.shape[:2]
        stream.pix_fmt = "yuvj444p"
        stream.options = {"qscale": "3"}
        container.mux(stream.encode(av.VideoFrame.from_ndarray(picture, format="rgb24")))
        container.mux(stream.encode(None))


if __name__ == "__main__":
    main(*sys.argv[1:])
