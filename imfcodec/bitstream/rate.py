"""Rate of a coded video."""

from __future__ import annotations


def rate_kbps(size_bytes: int, audio_bytes: int, duration_s: float) -> float:
    """The rate of a file without its audio, in kbit/s of 1000 bits.

    Everything else counts: key frames, headers, and checksums.

    Args:
        size_bytes: Size of the file.
        audio_bytes: Bytes of its audio packets, framing included.
        duration_s: Duration of the video.

    Raises:
        ValueError: The duration is not above 0, or the audio does not fit into the file.
    """
    if not duration_s > 0:
        raise ValueError(f"a duration of {duration_s} s has no rate")
    if not 0 <= audio_bytes <= size_bytes:
        raise ValueError(f"{audio_bytes} bytes of audio in a file of {size_bytes} bytes")
    return 8 * (size_bytes - audio_bytes) / duration_s / 1000
