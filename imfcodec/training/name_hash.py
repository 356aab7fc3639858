"""What follows from a name alone: the same in every run, order and place."""

from __future__ import annotations

import hashlib


def name_hash(name: str) -> int:
    """64 bits of a name's sha256, whatever bytes a file system may have put into it."""
    digest = hashlib.sha256(name.encode(errors="surrogateescape")).digest()
    return int.from_bytes(digest[:8], "big")
