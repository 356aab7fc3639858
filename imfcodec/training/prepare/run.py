"""The spine of `prepare`: one source at a time, from file to shard."""

from __future__ import annotations

import time
from collections import Counter
from collections.abc import Callable, Iterable
from dataclasses import astuple, dataclass, replace
from pathlib import Path

import numpy as np

from imfcodec.errors import UNUSABLE_VIDEO, NoFrames, OptionError
from imfcodec.sources import Source, find_sources
from imfcodec.training.prepare.dataset import MANIFEST, Dataset
from imfcodec.training.prepare.extract import clips_of
from imfcodec.training.prepare.faces import FaceDetector, find_landmarks
from imfcodec.training.prepare.labels import SPLITS, Label, Labels
from imfcodec.training.prepare.options import PrepareOptions
from imfcodec.training.prepare.photo import find_portrait, photo_shot, read_photo
from imfcodec.training.prepare.plan import plan_shot
from imfcodec.training.prepare.records import Dropped, SourceRecord
from imfcodec.training.prepare.scan import Scan, Seen
from imfcodec.training.prepare.synthetic_motion import moving
from imfcodec.training.shards import name_hash

Advance = Callable[[int, float], None]
"""Takes the frames scanned and the bytes of all sources that are done, fractions included."""


@dataclass(frozen=True)
class ShardSummary:
    """One side of the split."""

    clips: int
    frames: int
    identities: int


@dataclass(frozen=True)
class PrepareReport:
    """What lies in the output folder after a run, and what the run did.

    Attributes:
        sources: files that went into the folder, unreadable ones included.
        done_before: of these, finished by earlier runs.
        unreadable: name and reason of each that could not be read.
        shots: all that were seen.
        dropped: how many of them per reason.
        splits: by name, "train" and "val".
        duration_s: seconds of video that this run went through.
        wall_s: seconds that it took.
        warnings: what the user should know.
    """

    sources: int
    done_before: int
    unreadable: dict[str, str]
    shots: int
    dropped: dict[str, int]
    splits: dict[str, ShardSummary]
    duration_s: float
    wall_s: float
    warnings: list[str]


def prepare(
    videos: Iterable[Path],
    out: Path,
    options: PrepareOptions | None = None,
    advance: Advance | None = None,
    photos: Iterable[Path] = (),
) -> PrepareReport:
    """Turn videos, and photographs made to move, into the shards OUT/train and OUT/val.

    Nobody is in both as long as the labels know everybody: without a label each file is somebody
    of its own, a photograph of somebody who is in a video as well.

    Sources that an earlier run finished are not read again; what it left half-written is
    removed first. The result is the same as that of one run.

    Args:
        videos: files and folders.
        out: the folder of the shards.
        options: all others.
        advance: told of the progress.
        photos: files and folders; they need ``options.face``, and never go to validation.

    Raises:
        InputUnreadable: a path does not exist, or there is no video or photograph there.
        OptionError: the options do not fit each other, the labels or this computer.
        NoFrames: not one shot is usable; the manifest says why.
        OutputExists: OUT holds something else, or was begun with other options.
        OutputFailed: OUT cannot be written.
        KeyframeCodecError: AV1 is not available.
    """
    options = options or PrepareOptions()
    begun = time.perf_counter()
    sources = find_sources(videos, photos)
    if not options.face and any(source.photo for source in sources):
        raise OptionError("photographs need faces to be animated: they exclude --no-face")
    labels = Labels(options.labels, options.val_share)
    detector = FaceDetector()
    cropper = detector if options.face else None
    meter = _Meter(advance)
    fresh: list[SourceRecord] = []
    warnings: list[str] = []
    with Dataset(out, options, cropper.digest if cropper else None) as dataset:
        _check_splits(dataset.records, {s.name: labels.of(s.name, s.photo) for s in sources})
        done_before = sum(record.error is None for record in dataset.records)
        for source in sources:
            meter.begin(source)
            earlier = dataset.finished(source.name)
            if earlier is None:
                label = labels.of(source.name, source.photo)
                record = SourceRecord(source.name, source.size_bytes, *astuple(label))
                try:
                    if source.photo and cropper:
                        record = _prepare_photo(source, record, options, cropper, dataset)
                    else:
                        record = _prepare_video(source, record, options, cropper, dataset, meter)
                except UNUSABLE_VIDEO as error:
                    record = replace(record, error=str(error))
                dataset.commit(record)
                fresh.append(record)
            elif earlier.size_bytes != source.size_bytes:
                warnings.append(f"{source.path}: has changed since then; its clips are kept")
            meter.end()
        records = list(dataset.records)
    for split in SPLITS:
        if (out / split / "index.json").exists():
            find_landmarks(out / split, detector, meter.landmarks)
    return _report(out, records, fresh, done_before, warnings, time.perf_counter() - begun)


def _prepare_video(
    source: Source,
    record: SourceRecord,
    options: PrepareOptions,
    detector: FaceDetector | None,
    dataset: Dataset,
    meter: _Meter,
) -> SourceRecord:
    scan = Scan(source.path, detector, options.detect_every)
    seen = meter.watching(scan.duration_s, 0)
    shots = tuple(
        plan_shot(s, scan.size, scan.small, options, source.name) for s in scan.shots(seen)
    )
    record = replace(
        record,
        width=scan.size[0],
        height=scan.size[1],
        frames=scan.frames,
        duration_s=round(scan.seconds, 3),
        fps=scan.fps,
        warnings=tuple(scan.warnings),
        shots=shots,
    )
    numbers = [number for number, shot in enumerate(shots) if not shot.dropped]
    if not numbers:
        return record
    frames_of = clips_of(
        source.path,
        scan.size,
        scan.fps,
        [shots[number] for number in numbers],
        options,
        meter.watching(scan.duration_s, 1),
    )
    try:
        with dataset.undoing(record.split):
            clips = tuple(
                dict(dataset.add(record, number, frames, options.stride))
                for number, frames in zip(numbers, frames_of, strict=True)
            )
    except UNUSABLE_VIDEO as error:
        return replace(record, error=str(error), shots=())
    return replace(record, clips=clips)


def _prepare_photo(
    source: Source,
    record: SourceRecord,
    options: PrepareOptions,
    detector: FaceDetector,
    dataset: Dataset,
) -> SourceRecord:
    if record.split == "val":
        return replace(record, frames=1, shots=(photo_shot(Dropped.HELD_OUT),))
    photo = read_photo(source.path)
    shot, portrait, landmarks = find_portrait(photo, detector, options, source.name)
    height, width = photo.shape[:2]
    record = replace(record, width=width, height=height, frames=1, shots=(shot,))
    if portrait is None or landmarks is None:
        return record
    # By name, so that photographs may come in any order and in several runs.
    rng = np.random.default_rng(name_hash(source.name))
    with dataset.undoing(record.split):
        clip = dict(dataset.add(record, 0, moving(portrait, landmarks, rng, shot.kept), stride=1))
    return replace(record, clips=(clip,))


def _check_splits(records: Iterable[SourceRecord], labels: dict[str, Label]) -> None:
    """See that nobody ends up on both sides, whatever earlier runs were told."""
    sides = {}
    for record in records:
        label = labels.get(record.name)
        if label and (label.identity, label.split) != (record.identity, record.split):
            raise OptionError(
                f"{record.name} was prepared as {record.identity} in {record.split}, the labels "
                f"now say {label.identity} in {label.split}: begin anew in another folder"
            )
        sides[record.identity] = record.split
    for name, label in labels.items():
        if sides.setdefault(label.identity, label.split) != label.split:
            raise OptionError(f"{name}: {label.identity} is on both sides of the split")


def _report(
    out: Path,
    records: list[SourceRecord],
    fresh: list[SourceRecord],
    done_before: int,
    warnings: list[str],
    wall_s: float,
) -> PrepareReport:
    unreadable = {record.name: record.error for record in records if record.error is not None}
    shots = [shot for record in records for shot in record.shots]
    dropped = Counter(str(shot.dropped) for shot in shots if shot.dropped)
    splits: dict[str, ShardSummary] = {}
    for split in SPLITS:
        used = [record for record in records if record.split == split and record.clips]
        splits[split] = ShardSummary(
            sum(len(record.clips) for record in used),
            sum(clip["count"] for record in used for clip in record.clips),
            len({record.identity for record in used}),
        )
    if not any(summary.clips for summary in splits.values()):
        reasons = [f"{count} {reason}" for reason, count in dropped.most_common()]
        if unreadable:
            reasons.append(f"{len(unreadable)} unreadable")
        raise NoFrames(
            f"not one usable shot in {len(records)} files ({', '.join(reasons)}); "
            f"see {out / MANIFEST}"
        )
    for name, summary in splits.items():
        if not summary.clips:
            warnings.append(
                f"nothing is in {name}: give more sources, another share of validation, "
                "or labels with a column split"
            )
    return PrepareReport(
        sources=len(records),
        done_before=done_before,
        unreadable=unreadable,
        shots=len(shots),
        dropped=dict(dropped.most_common()),
        splits=splits,
        duration_s=sum(record.duration_s for record in fresh),
        wall_s=wall_s,
        warnings=warnings,
    )


class _Meter:
    """Turns frames of two passes over many sources into one progress."""

    def __init__(self, advance: Advance | None) -> None:
        self._advance = advance
        self._frames = 0
        self._done_bytes = self._current_bytes = 0

    def begin(self, source: Source) -> None:
        self._current_bytes = source.size_bytes

    def end(self) -> None:
        self._done_bytes += self._current_bytes
        self._show(0.0)

    def watching(self, duration_s: float | None, number: int) -> Seen:
        """For the first pass over a source, number 0, or the second: each is half the work."""

        def seen(seconds: float) -> None:
            if number == 0:
                self._frames += 1
            share = min(1.0, seconds / duration_s) if duration_s else 0.0
            self._show((number + share) / 2)

        return seen

    def landmarks(self, number: float) -> None:
        self._frames += 1
        self._show(0.0)

    def _show(self, share: float) -> None:
        if self._advance:
            self._advance(self._frames, self._done_bytes + share * self._current_bytes)
