"""The first bytes of a file: they identify an .imf stream and reveal damage by a text mode."""

from __future__ import annotations

from imfcodec.bitstream.source import ByteSource
from imfcodec.errors import CorruptStream, NotImfStream

SIGNATURE = b"\x89IMF\r\n\n"

_TEXT_DAMAGE = (
    (b"\x89IMF\n\n", "CR LF became LF"),
    (b"\x89IMF\r\r\n", "LF became CR LF"),
    (b"\x09IMF", "the high bit was stripped"),
    (b"\xc2\x89IMF", "bytes were re-encoded as UTF-8"),
    (b"\xef\xbf\xbdIMF", "bytes were re-encoded as UTF-8"),
)


def read_signature(source: ByteSource) -> None:
    """Consumes the signature.

    Raises:
        NotImfStream: The signature is another one; the message says if text mode damaged it.
        CorruptStream: The file ends within it.
    """
    found = source.read(len(SIGNATURE))
    if found == SIGNATURE:
        return
    if not found:
        raise NotImfStream("the file is empty")
    if SIGNATURE.startswith(found):
        raise CorruptStream("the file ends within the header")
    for damaged, how in _TEXT_DAMAGE:
        if found.startswith(damaged):
            raise NotImfStream(f"an .imf stream damaged by a transfer in text mode: {how}")
    raise NotImfStream("not an .imf stream: it begins with " + found.hex(" "))
