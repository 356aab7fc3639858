"""HDR to SDR: HLG and PQ to BT.709 by the curve of ITU-R BT.2390.

    R'G'B' ─ EOTF ─ nits ─ BT.2390 EETF ─ BT.2020 to BT.709 ─ / 203 nits ─ BT.1886 ─ R'G'B'

SDR white is the reference white of BT.2408, 203 nits. Darker parts keep their brightness. Brighter
parts roll off, so that highlights keep their gradation. The mapping is a table of colours, which
libavfilter's `lut3d` interpolates.
"""

from __future__ import annotations

from functools import cache
from typing import Final

import numpy as np
import numpy.typing as npt

PQ, HLG = 16, 18
"""H.273 transfer characteristics."""

WHITE_NITS: Final = 203.0
"""Reference white (ITU-R BT.2408), which becomes SDR white at the top of the curve."""

PEAK_NITS: Final = 1000.0
"""Brightest content that is expected: the nominal peak of HLG, and the usual one of PQ."""

SIDE: Final = 33
"""Entries of the table along each axis."""

_M1, _M2 = 2610 / 16384, 2523 / 4096 * 128
_C1, _C2, _C3 = 3424 / 4096, 2413 / 4096 * 32, 2392 / 4096 * 32
"""SMPTE ST 2084."""

_A, _B, _C = 0.17883277, 0.28466892, 0.55991073
_HLG_GAMMA: Final = 1.2
"""ITU-R BT.2100; the system gamma is that of a display of 1000 nits."""

_LUMA_2020 = np.array([0.2627, 0.6780, 0.0593])
_TO_709 = np.array(
    [[1.6605, -0.5876, -0.0728], [-0.1246, 1.1329, -0.0083], [-0.0182, -0.1006, 1.1187]]
)
"""Linear BT.2020 to BT.709 (ITU-R BT.2087)."""

Colours = npt.NDArray[np.float64]


def to_sdr(colours: Colours, transfer: int) -> Colours:
    """Map HDR colours to SDR.

    Args:
        colours: R'G'B' of BT.2020 in 0..1, float64 [N, 3].
        transfer: `PQ` or `HLG`.

    Returns:
        R'G'B' of BT.709 in 0..1, float64 [N, 3].
    """
    nits = _pq_nits(colours) if transfer == PQ else _hlg_nits(colours)
    brightest = nits.max(1, keepdims=True)
    mapped = nits * _rolled_off(brightest) / np.maximum(brightest, 1e-6)
    linear = np.clip(mapped @ _TO_709.T / WHITE_NITS, 0, 1)
    return np.asarray(linear ** (1 / 2.4))


@cache
def cube(transfer: int) -> str:
    """The mapping as a table in the format .cube, red fastest."""
    axis = np.linspace(0, 1, SIDE)
    blue, green, red = np.meshgrid(axis, axis, axis, indexing="ij")
    table = to_sdr(np.stack([red, green, blue], -1).reshape(-1, 3), transfer)
    rows = "\n".join(" ".join(f"{value:.6f}" for value in row) for row in table)
    return f"LUT_3D_SIZE {SIDE}\n{rows}\n"


def _pq_nits(signal: Colours) -> Colours:
    root = signal ** (1 / _M2)
    return np.asarray(10_000 * (np.maximum(root - _C1, 0) / (_C2 - _C3 * root)) ** (1 / _M1))


def _pq_signal(nits: Colours) -> Colours:
    power = (nits / 10_000) ** _M1
    return np.asarray(((_C1 + _C2 * power) / (1 + _C3 * power)) ** _M2)


def _hlg_nits(signal: Colours) -> Colours:
    scene = np.where(signal <= 0.5, signal**2 / 3, (np.exp((signal - _C) / _A) + _B) / 12)
    luma = np.maximum(scene @ _LUMA_2020, 1e-9)[:, None]
    return np.asarray(PEAK_NITS * luma ** (_HLG_GAMMA - 1) * scene)


def _rolled_off(nits: Colours) -> Colours:
    """EETF of BT.2390, section 5.4.1: up to a knee as it is, then a Hermite spline to the peak."""
    peak, white = _pq_signal(np.array([PEAK_NITS, WHITE_NITS]))
    signal = np.minimum(_pq_signal(nits) / peak, 1)
    top = white / peak
    knee = 1.5 * top - 0.5
    t = np.maximum(signal - knee, 0) / (1 - knee)
    spline = (
        (2 * t**3 - 3 * t**2 + 1) * knee
        + (t**3 - 2 * t**2 + t) * (1 - knee)
        + (-2 * t**3 + 3 * t**2) * top
    )
    return _pq_nits(np.where(signal < knee, signal, spline) * peak)
