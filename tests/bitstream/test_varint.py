from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from imfcodec.bitstream.cursor import Cursor
from imfcodec.bitstream.varint import read_varint, write_svarint, write_varint
from imfcodec.errors import CorruptStream


@given(st.integers(0, 2**64 - 1))
def test_unsigned_round_trip(value: int) -> None:
    coded = write_varint(value)
    assert len(coded) == max(1, -(-value.bit_length() // 7))
    assert read_varint(b"\xff" + coded + b"\x01", 1) == (value, 1 + len(coded))


@given(st.integers(-(2**63), 2**63 - 1))
def test_signed_round_trip(value: int) -> None:
    assert Cursor(write_svarint(value)).svarint() == value


@pytest.mark.parametrize(
    ("value", "coded"), [(0, "00"), (127, "7f"), (128, "8001"), (2**64 - 1, "ff" * 9 + "01")]
)
def test_golden_unsigned(value: int, coded: str) -> None:
    assert write_varint(value).hex() == coded


@pytest.mark.parametrize(("value", "coded"), [(0, "00"), (-1, "01"), (1, "02"), (-65, "8101")])
def test_golden_signed(value: int, coded: str) -> None:
    assert write_svarint(value).hex() == coded


@pytest.mark.parametrize(
    "coded",
    ["", "80", "8000", "ff00", "ff" * 9 + "02", "80" * 9 + "00", "ff" * 10, "ff" * 10 + "00"],
)
def test_refused(coded: str) -> None:
    with pytest.raises(CorruptStream):
        read_varint(bytes.fromhex(coded), 0)


@pytest.mark.parametrize("value", [-1, 2**64])
def test_out_of_range(value: int) -> None:
    with pytest.raises(CorruptStream):
        write_varint(value)
