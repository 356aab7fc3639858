"""The key frames that a writer has written, in bounded memory."""

from __future__ import annotations

from imfcodec.bitstream.packets import IndexEntry, IndexPacket

_MAX_ENTRIES = 1 << 15
"""Number of entries of the longest form that fit an index packet."""


class KeyIndex:
    """Collects index entries; for a very long stream, every second, fourth, ... key frame.

    Args:
        max_entries: Even, so that the entry that triggers halving lies on the coarser grid.
    """

    def __init__(self, max_entries: int = _MAX_ENTRIES) -> None:
        self._max_entries = max_entries
        self._entries: list[IndexEntry] = []
        self._seen = 0
        self._stride = 1

    def add(self, entry: IndexEntry) -> None:
        """Records a key frame."""
        if self._seen % self._stride == 0:
            if len(self._entries) == self._max_entries:
                self._entries = self._entries[::2]
                self._stride *= 2
            self._entries.append(entry)
        self._seen += 1

    def packet(self) -> IndexPacket | None:
        """The index; None for a single key frame, which is always the first packet."""
        return IndexPacket(tuple(self._entries)) if len(self._entries) > 1 else None
