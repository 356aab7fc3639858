"""The record of finished sources, from which an interrupted run continues.

A file of JSON lines: the options first, then one line per source, written and synced when its
clips are on the disk. A line that is cut off by a crash does not count.
"""

from __future__ import annotations

import json
import os
from dataclasses import asdict
from pathlib import Path

from imfcodec.errors import OutputExists, OutputFailed
from imfcodec.training.prepare.records import Json, SourceRecord

FORMAT = 2


class Journal:
    """The open journal of one output folder; nobody else can open it meanwhile.

    Attributes:
        records: Finished sources by name, in the order in which they were finished.
    """

    def __init__(self, path: Path, options: Json, *, anew: bool) -> None:
        """Open or create it; ``anew`` forgets what is in it.

        ``options`` are all that the contents of the shards depend on.

        Raises:
            OutputExists: it was begun with other options, or is no journal.
            OutputFailed: another process writes to it.
            OSError: it cannot be opened.
        """
        self.records: dict[str, SourceRecord] = {}
        self._path = path
        self._file = path.open("a+b")  # appends wherever the file ends
        try:
            _lock(self._file.fileno(), path)
            if anew:
                self._file.truncate(0)
            self._read(options)
        except BaseException:
            self._file.close()
            raise

    def append(self, record: SourceRecord) -> None:
        """Record a source for good.

        Raises:
            OSError: the disk is full.
        """
        end = self._file.seek(0, os.SEEK_END)
        before = dict(self.records)
        self._keep(record)
        try:
            self._write(asdict(record))
        except BaseException:  # a signal too: file and memory must say the same
            self.records = before
            self._file.truncate(end)
            raise

    def close(self) -> None:
        """Let others open it."""
        self._file.close()

    def _read(self, options: Json) -> None:
        self._file.seek(0)
        lines = self._file.read().splitlines(keepends=True)
        if lines and not lines[-1].endswith(b"\n"):
            torn = lines.pop()
            self._file.truncate(self._file.tell() - len(torn))
        if not lines:
            self._write({"format": FORMAT, "options": options})
            return
        try:
            header, *records = map(json.loads, lines)
            begun = header["options"]
            known = header["format"] == FORMAT
            for record in map(SourceRecord.from_json, records):
                self._keep(record)
        except (ValueError, KeyError, TypeError) as error:
            raise OutputExists(f"{self._path}: is damaged; overwrite it to begin anew") from error
        if not known:
            raise OutputExists(f"{self._path}: is of another version; overwrite it to begin anew")
        differing = [
            f"{name} {begun.get(name)}, now {options.get(name)}"
            for name in sorted(begun.keys() | options.keys())
            if begun.get(name) != options.get(name)
        ]
        if differing:
            raise OutputExists(
                f"{self._path.parent}: was begun with other options ({'; '.join(differing)}); "
                "use those, another folder, or overwrite it to begin anew"
            )

    def _keep(self, record: SourceRecord) -> None:
        # Out first: a source that could be read at last belongs where its clips are.
        self.records.pop(record.name, None)
        self.records[record.name] = record

    def _write(self, value: Json) -> None:
        self._file.write(json.dumps(value).encode() + b"\n")
        self._file.flush()
        os.fsync(self._file.fileno())


def _lock(descriptor: int, path: Path) -> None:
    try:
        import fcntl
    except ImportError:  # Windows: two runs into one folder remain the user's affair
        return
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError as error:
        raise OutputFailed(f"{path.parent}: another run is writing to it") from error
    except OSError:
        return  # some network file systems know no locks
