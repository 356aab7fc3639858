"""FORMAT.md and the code say the same."""

from __future__ import annotations

from pathlib import Path

import pytest

from imfcodec import bitstream
from imfcodec.bitstream import FORMAT_VERSION, SIGNATURE, Limits
from imfcodec.bitstream.framing import SYNC_MARK, TYPE_NAMES

DOCUMENT = (Path(bitstream.__file__).parent / "FORMAT.md").read_text(encoding="utf-8")
LIMITS = Limits()


def rows() -> dict[str, str]:
    """First cell to last cell of every table row."""
    lines = (line for line in DOCUMENT.splitlines() if line.startswith("|"))
    cells = ([cell.strip() for cell in line.strip("|").split("|")] for line in lines)
    return {row[0]: row[-1] for row in cells}


ROWS = rows()


def test_constants() -> None:
    assert f"format version {FORMAT_VERSION}" in DOCUMENT
    assert SIGNATURE.hex(" ").upper() in DOCUMENT
    assert SYNC_MARK.hex(" ").upper() in DOCUMENT


@pytest.mark.parametrize(
    ("row", "limit"),
    [
        ("header body", LIMITS.max_header_bytes),
        ("window layers", LIMITS.max_windows),
        ("key configuration", LIMITS.max_key_config_bytes),
        ("audio extradata", LIMITS.max_audio_extradata_bytes),
        ("frames in a token packet", LIMITS.max_frames_per_packet),
        ("frames in a run packet", LIMITS.max_frames_per_packet),
        ("codec packets in an audio packet", LIMITS.max_audio_per_packet),
        ("key pictures in a chain", LIMITS.max_key_chain),
    ],
)
def test_limits(row: str, limit: int) -> None:
    assert _number(ROWS[row]) == limit


@pytest.mark.parametrize(
    ("packet_type", "limit_bytes"),
    [
        (1, LIMITS.max_key_bytes),
        (2, LIMITS.max_token_bytes),
        (3, LIMITS.max_audio_bytes),
        (4, LIMITS.max_layer_bytes),
        (5, LIMITS.max_end_bytes),
        (6, LIMITS.max_predicted_key_bytes),
        (7, LIMITS.max_extension_bytes),
    ],
)
def test_payload_limits(packet_type: int, limit_bytes: int) -> None:
    assert packet_type in TYPE_NAMES
    table = DOCUMENT[DOCUMENT.index("| type | packet |") :].splitlines()
    line = next(row for row in table if row.startswith(f"| {packet_type} | "))
    assert _number(line.strip("| ").split("|")[-1]) == limit_bytes


def test_pixels() -> None:
    width, height = ROWS["pixels of the coded and of the display size"].split()[::2][:2]
    assert int(width) * int(height) == LIMITS.max_pixels


def _number(text: str) -> int:
    """`64 KiB`, `64 bytes` or `64`."""
    digits, *unit = text.split()
    return int(digits) << {"KiB": 10, "MiB": 20}.get("".join(unit), 0)
