"""Windows over the base, at display size (FORMAT.md, section 10).

    base ─── scale ───────────────────────┬─► picture to show
    window ─ scale ─ mask ─ cross-fade ───┘

A window fades in and out over a few frames, except where a shot begins.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Final

import numpy as np

from imfcodec.arrays import Picture
from imfcodec.bitstream import Window
from imfcodec.codec.window_mask import Mask, mask_of
from imfcodec.media.geometry import resize

FADE: Final = 5
"""Frames in which a window appears, moves or disappears."""


@dataclass(frozen=True)
class _Shown:
    """A window with its picture.

    Attributes:
        window: Where it lies.
        coded: Its picture as it was rebuilt, uint8 [n, n, 3].
        picture: The same at display size, uint8 [side, side, 3].
        mask: Its weight over what lies below, float32 [side, side, 1] in 0..1.
    """

    window: Window
    coded: Picture
    picture: Picture
    mask: Mask

    def draw(self, canvas: Picture, weight: Mask) -> None:
        """Blend the picture into the canvas, uint8 [H, W, 3] at display size."""
        import cv2

        place = canvas[self.window.rows, self.window.columns]
        place[:] = cv2.blendLinear(self.picture, place, weight, 1 - weight)


class Composer:
    """Draws the windows of successive frames, and fades them in and out."""

    def __init__(self, size: tuple[int, int]) -> None:
        """Take the display width and height in pixels."""
        self._size = size
        self._layers: dict[int, _Layer] = {}
        self._base: Picture | None = None
        self._last: Picture | None = None

    def compose(
        self, base: Picture, windows: Mapping[int, tuple[Window, Picture]], *, cut: bool
    ) -> Picture:
        """Compose the next frame.

        Args:
            base: RGB uint8 [H, W, 3] at display size; it stays as it is.
            windows: Window and rebuilt picture, uint8 [n, n, 3], of each layer that has one.
            cut: Whether the frame begins a shot, so that nothing fades.

        Returns:
            The picture to show. It is the same array as before if nothing in it has changed.
        """
        for number in sorted(windows.keys() - self._layers.keys()):
            self._layers[number] = _Layer(self._size)
        steps = [layer.step(windows.get(n), cut) for n, layer in self._layers.items()]
        if self._last is not None and base is self._base and not any(steps):
            return self._last
        picture = base
        drawn = [layer for _, layer in sorted(self._layers.items()) if layer.visible]
        if drawn:
            picture = base.copy()
            for layer in drawn:
                layer.draw(picture)
        self._base, self._last = base, picture
        return picture


class _Layer:
    """The window of one layer over time."""

    def __init__(self, size: tuple[int, int]) -> None:
        self._size = size
        self._now: _Shown | None = None
        self._old: _Shown | None = None
        self._frames = FADE  # since the last change

    @property
    def visible(self) -> bool:
        """Whether there is something to draw."""
        return self._now is not None or self._old is not None

    def step(self, window: tuple[Window, Picture] | None, cut: bool) -> bool:
        """Take the next frame's window; whether anything changes."""
        before = self._now
        self._now = self._shown(*window) if window else None
        moved = (before and before.window) != (self._now and self._now.window)
        if moved:
            self._old, self._frames = before, 0
        was_fading = self._frames < FADE
        self._frames = FADE if cut else min(FADE, self._frames + 1)
        if self._frames == FADE:
            self._old = None
        return moved or was_fading or before is not self._now

    def draw(self, canvas: Picture) -> None:
        """Blend the layer into the canvas."""
        strength = np.float32(self._frames / FADE)
        if self._old:
            self._old.draw(canvas, (1 - strength) * self._old.mask)
        if self._now:
            weight = self._now.mask
            if self._frames < FADE:
                weight = weight * (strength + (1 - strength) * self._old_mask())
            self._now.draw(canvas, weight)

    def _old_mask(self) -> Mask:
        """The old window's mask, as far as it lies in the new one: [side, side, 1]."""
        assert self._now is not None
        width, height = self._size
        whole = np.zeros((height, width, 1), np.float32)
        if self._old:
            whole[self._old.window.rows, self._old.window.columns] = self._old.mask
        return whole[self._now.window.rows, self._now.window.columns]

    def _shown(self, window: Window, coded: Picture) -> _Shown:
        now = self._now
        if now is None or now.window != window:
            return _Shown(window, coded, _scaled(window, coded), mask_of(window, self._size))
        if now.coded is coded:
            return now
        return _Shown(window, coded, _scaled(window, coded), now.mask)


def _scaled(window: Window, coded: Picture) -> Picture:
    return resize(coded, (window.side, window.side))
