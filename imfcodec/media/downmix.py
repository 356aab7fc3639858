"""Several channels to one, never louder than the loudest of them.

    mono = sum of w_c * x_c,  sum of w_c = 1

The weights add up to 1, so that the mix cannot clip. Channels of opposite phase cancel in any mix.
Where the mix is more than 12 dB below the loudest channel, that channel is taken instead.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Final

import numpy as np
import numpy.typing as npt

_CENTRE, _FRONT, _OTHER = 1.0, 0.5**0.5, 0.5
"""Weights before they are normalised: those of ITU-R BS.775 towards stereo, and on to mono."""

LOSS: Final = 10**-1.2
"""The mix may have this share of the loudest channel's energy: -12 dB ..."""

RECOVERY: Final = 10**-0.9
"""... and is taken again from this share on."""

_MEMORY_SAMPLES: Final = 24_000  # half a second at 48 kHz
_SILENCE: Final = 1e-7  # mean square, -70 dBFS

Samples = npt.NDArray[np.float32]


class MonoMixer:
    """Mixes consecutive blocks of samples.

    Attributes:
        replaced: names of the channels that were taken in place of the mix, in order.
    """

    def __init__(self, channels: Sequence[str]) -> None:
        """Take the channels' names as libav has them: FL, FR, FC, LFE, ..., NONE."""
        self.replaced: list[str] = []
        self._names = [
            str(place) if name == "NONE" else name for place, name in enumerate(channels, 1)
        ]
        weights = np.array([_weight(name) for name in channels], np.float32)
        if not weights.any():
            weights[:] = 1
        self._mix: Samples = weights / weights.sum()
        self._now = self._mix
        self._energy: npt.NDArray[np.float64] | None = None  # of the mix, then of each channel

    def mix(self, samples: Samples) -> Samples:
        """Mix one block.

        Args:
            samples: float32 [channels, n], at 48 kHz.

        Returns:
            float32 [n].
        """
        if len(samples) == 1 or not samples.size:
            return samples[0]
        begun, before = self._energy is not None, self._now
        self._now = now = self._weights(samples)
        mono: Samples = now @ samples
        if begun and before is not now:  # from one to the other within the block
            fade = np.linspace(0, 1, samples.shape[1], dtype=np.float32)
            mono = fade * mono + (1 - fade) * (before @ samples)
        return mono

    def _weights(self, samples: Samples) -> Samples:
        every = np.concatenate([(self._mix @ samples)[None], samples]).astype(np.float64)
        energy = np.square(every).mean(1)
        if self._energy is not None:
            keep = np.exp(-samples.shape[1] / _MEMORY_SAMPLES)
            energy = keep * self._energy + (1 - keep) * energy
        self._energy = energy
        heard = np.where(self._mix > 0, energy[1:], 0)  # the rumble of an LFE is no speech
        loudest = int((heard if heard.any() else energy[1:]).argmax())
        peak = energy[1 + loudest]
        mixing = self._now is self._mix
        if peak < _SILENCE or energy[0] >= (LOSS if mixing else RECOVERY) * peak:
            return self._mix
        name = self._names[loudest]
        if mixing and name not in self.replaced:
            self.replaced.append(name)
        if not mixing:
            return self._now
        alone = np.zeros_like(self._mix)
        alone[loudest] = 1
        return alone


def _weight(name: str) -> float:
    if name == "LFE":
        return 0.0
    if name == "FC":
        return _CENTRE
    return _FRONT if name in ("FL", "FR", "FLC", "FRC") else _OTHER
