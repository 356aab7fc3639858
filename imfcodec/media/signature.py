"""What the first bytes of a file say, for messages that libav's demuxers cannot give."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import Any, BinaryIO, Final

HEAD_BYTES: Final = 4096

_STILLS: Final = {
    b"BM": "BMP",
    b"II*\0": "TIFF",
    b"MM\0*": "TIFF",
}
_ISO_STILLS: Final = {b"heic": "HEIC", b"heix": "HEIC", b"mif1": "HEIF", b"avif": "AVIF"}
_ANIMATED_WEBP: Final = 0x02  # flag of the VP8X chunk


def head_of(source: str | Path | BinaryIO) -> bytes:
    """The first bytes of a source, which are left in it; empty where they cannot be left."""
    try:
        if isinstance(source, str | Path) and source != "-":
            if not Path(source).is_file():  # a named pipe has its bytes only once
                return b""
            with Path(source).open("rb") as file:
                return file.read(HEAD_BYTES)
        stream: Any = sys.stdin.buffer if source == "-" else source
        if hasattr(stream, "peek"):
            return bytes(stream.peek(HEAD_BYTES)[:HEAD_BYTES])
        place = stream.tell()
        head = bytes(stream.read(HEAD_BYTES))
        stream.seek(place)
        return head
    except (AttributeError, OSError, ValueError):
        return b""


def still_picture(head: bytes, name: str) -> str:
    """Name a file that is no video: "a still picture (PNG)", "an animated WebP picture".

    Args:
        head: its first bytes.
        name: its name; a JPEG may also begin an MJPEG stream.

    Returns:
        The name; empty for anything that may be a video.
    """
    kind = ""
    if head.startswith(b"\x89PNG") and b"acTL" not in head:
        kind = "PNG"
    elif head.startswith(b"\xff\xd8\xff") and Path(name).suffix.lower() in (".jpg", ".jpeg"):
        kind = "JPEG"
    elif head[:4] == b"RIFF" and head[8:12] == b"WEBP":
        if head[12:16] == b"VP8X" and len(head) > 20 and head[20] & _ANIMATED_WEBP:
            return "an animated WebP picture"
        kind = "WebP"
    elif is_iso_media(head):
        kind = _ISO_STILLS.get(head[8:12], "")
    else:
        kind = next((kind for magic, kind in _STILLS.items() if head.startswith(magic)), "")
    return f"a still picture ({kind})" if kind else ""


def is_iso_media(head: bytes) -> bool:
    """Whether it begins as MP4, QuickTime and their relatives do."""
    return head[4:8] in (b"ftyp", b"moov", b"mdat", b"wide", b"free")
