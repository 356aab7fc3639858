"""Who is in a clip, how often it is drawn, and on which side of the split it is."""

from __future__ import annotations

import csv
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path, PurePosixPath
from typing import Literal

from imfcodec.errors import InputUnreadable, OptionError
from imfcodec.training.shards import name_hash

Split = Literal["train", "val"]
SPLITS: tuple[Split, Split] = ("train", "val")

STUDIO_NOTE = "alpha_composited_bg"
STUDIO_WEIGHT = 0.3  # spokespeople on plain backgrounds are numerous and similar
DRAWN_WEIGHT = 0.5  # generated and drawn faces
PHOTO_WEIGHT = 0.15  # their motion is synthetic
REAL_KINDS = ("", "real")


@dataclass(frozen=True)
class Label:
    """What is known of a source besides its pixels.

    Attributes:
        identity: the person; a source without label is an identity of its own.
        weight: how often to draw it, 1 as a rule.
        split: where all its shots go.
    """

    identity: str
    weight: float
    split: Split


class Labels:
    """The rows of a CSV file with the columns ``clip`` and ``identity``.

    Optional columns: ``kind`` and ``note`` set the weight, ``split`` (train, val or empty) takes
    the place of the hash. Other columns are ignored.
    """

    def __init__(self, path: Path | None, val_share: float) -> None:
        """Read the file; None makes each source its own identity.

        ``val_share`` of the identities without a split goes to validation.

        Raises:
            InputUnreadable: the file cannot be read.
            OptionError: a column is missing, a clip has two rows, a split is unknown, or an
                identity is on both sides of the split.
        """
        self._val_share = val_share
        self._rows: dict[str, dict[str, str]] = {}
        if path is None:
            return
        try:
            # Spreadsheets open UTF-8 with a byte order mark.
            with path.open(newline="", encoding="utf-8-sig") as file:
                reader = csv.DictReader(file, restval="")
                missing = {"clip", "identity"} - set(reader.fieldnames or ())
                if missing:
                    raise OptionError(f"{path}: no column {' and '.join(sorted(missing))}")
                rows = [{k: v for k, v in row.items() if k is not None} for row in reader]
        except (OSError, UnicodeDecodeError, csv.Error) as error:
            raise InputUnreadable(f"{path}: {error}") from error
        sides: dict[str, str] = {}
        for row in rows:
            clip, split = row["clip"], row.get("split", "")
            if clip in self._rows:
                raise OptionError(f"{path}: two rows for the clip {clip}")
            if split not in ("", *SPLITS):
                raise OptionError(f"{path}: the split of {clip} is {split!r}, not train or val")
            if row["identity"] and sides.setdefault(row["identity"], split) != split:
                raise OptionError(f"{path}: {row['identity']} is on both sides of the split")
            self._rows[clip] = row

    def of(self, name: str, photo: bool = False) -> Label:
        """The label of a source, found by its name with or without folders and suffix.

        A photograph of somebody without label is for training.
        """
        path = PurePosixPath(name)
        keys = (name, path.with_suffix("").as_posix(), path.name, path.stem)
        row = next((self._rows[key] for key in keys if key in self._rows), {})
        identity = row.get("identity") or name
        weight = _weight(row) * (PHOTO_WEIGHT if photo else 1.0)
        given = "train" if photo and not row else row.get("split", "")
        return Label(identity, weight, self._split(given, identity))

    def _split(self, given: str, identity: str) -> Split:
        if given:
            return "val" if given == "val" else "train"
        return "val" if name_hash(identity) < self._val_share * 2**64 else "train"


def _weight(row: Mapping[str, str]) -> float:
    if STUDIO_NOTE in row.get("note", ""):
        return STUDIO_WEIGHT
    return 1.0 if row.get("kind", "") in REAL_KINDS else DRAWN_WEIGHT
