"""Small inputs made on the spot, with content that is known exactly."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from fractions import Fraction
from pathlib import Path
from typing import Any, BinaryIO

import av
import numpy as np

WIDTH, HEIGHT = 64, 48
LUMA_WEIGHTS = {1: (0.2126, 0.0722), 5: (0.299, 0.114), 6: (0.299, 0.114), 9: (0.2627, 0.0593)}
"""Kr and Kb by H.273 matrix code."""


def gradient(width: int = WIDTH, height: int = HEIGHT, step: int = 0) -> np.ndarray:
    """A smooth colourful picture, another one for each step."""
    y, x = np.mgrid[0:height, 0:width]
    red = 40 + 160 * x / width
    green = 60 + 120 * y / height
    blue = 200 - 100 * (x + y) / (width + height) - 10 * step
    return np.rint(np.stack([red, green, blue], -1)).clip(0, 255).astype(np.uint8)


def grey_ramp(width: int = WIDTH, height: int = HEIGHT) -> np.ndarray:
    ramp = np.rint(np.linspace(20, 235, width)).astype(np.uint8)
    return np.broadcast_to(ramp[None, :, None], (height, width, 3)).copy()


def corners(width: int = WIDTH, height: int = HEIGHT) -> np.ndarray:
    """Four quarters of different colour: no two orientations look the same."""
    picture = np.zeros((height, width, 3), np.uint8)
    picture[: height // 2, : width // 2] = (220, 40, 40)
    picture[: height // 2, width // 2 :] = (40, 200, 40)
    picture[height // 2 :, : width // 2] = (40, 40, 220)
    picture[height // 2 :, width // 2 :] = (200, 200, 200)
    return picture


def exact_yuv(rgb: np.ndarray, matrix: int, full: bool, bits: int) -> list[np.ndarray]:
    """H.273 equations in float64, rounded to integers: Y, Cb, Cr of full size."""
    kr, kb = LUMA_WEIGHTS[matrix]
    red, green, blue = (rgb[..., c].astype(float) / 255 for c in range(3))
    luma = kr * red + (1 - kr - kb) * green + kb * blue
    cb, cr = (blue - luma) / (2 * (1 - kb)), (red - luma) / (2 * (1 - kr))
    top, half, scale = (1 << bits) - 1, 1 << (bits - 1), 1 << (bits - 8)
    if full:
        planes = [luma * top, cb * top + half, cr * top + half]
    else:
        planes = [(219 * luma + 16) * scale, *((224 * c + 128) * scale for c in (cb, cr))]
    return [np.rint(plane).clip(0, top) for plane in planes]


def halve(plane: np.ndarray, vertically: bool) -> np.ndarray:
    """Left-sited chroma: [1 2 1] across, the mean of two lines down."""
    padded = np.pad(plane, ((0, 0), (1, 1)), "edge")
    plane = ((padded[:, :-2] + 2 * padded[:, 1:-1] + padded[:, 2:]) / 4)[:, ::2]
    if vertically:
        plane = (plane[::2] + plane[1::2]) / 2
    return np.rint(plane)


def frame_of(planes: Sequence[np.ndarray], pix_fmt: str) -> av.VideoFrame:
    """A libav frame with exactly these samples."""
    height, width = planes[0].shape
    frame = av.VideoFrame(width, height, pix_fmt)
    deep = frame.format.components[0].bits > 8
    for target, plane in zip(frame.planes, planes, strict=False):
        lines = np.zeros((target.height, target.line_size), np.uint8)
        samples = plane.astype("<u2" if deep else np.uint8).view(np.uint8)
        lines[:, : samples.shape[1]] = samples
        target.update(lines.tobytes())
    return frame


def encode(
    target: str | Path | BinaryIO,
    frames: Iterable[av.VideoFrame],
    *,
    format: str | None = None,
    codec: str = "ffv1",
    pts: Sequence[int] | None = None,
    time_base: Fraction = Fraction(1, 1000),
    step: int = 40,
    rate: int = 25,
    options: dict[str, str] | None = None,
    rotation: int = 0,
    hflip: bool = False,
    tags: dict[str, Any] | None = None,
) -> None:
    """Mux frames; `tags` are attributes of the encoder's context."""
    frames = list(frames)
    with av.open(
        target if not isinstance(target, Path) else str(target), "w", format=format
    ) as out:
        stream = out.add_stream(codec, rate=rate, options=options or {})
        stream.width, stream.height = frames[0].width, frames[0].height
        stream.pix_fmt = frames[0].format.name
        stream.time_base = time_base
        stream.codec_context.time_base = time_base
        for name, value in (tags or {}).items():
            setattr(stream.codec_context, name, value)
        if rotation or hflip:
            stream.set_display_rotation(rotation, hflip=hflip)
        for index, frame in enumerate(frames):
            frame.pts = pts[index] if pts else index * step
            frame.time_base = time_base
            if tags and "colorspace" in tags:
                frame.colorspace = tags["colorspace"]
            if tags and "color_range" in tags:
                frame.color_range = tags["color_range"]
            out.mux(stream.encode(frame))
        out.mux(stream.encode(None))


def rgb_frames(pictures: Iterable[np.ndarray], pix_fmt: str = "bgr0") -> list[av.VideoFrame]:
    frames = [av.VideoFrame.from_ndarray(picture, format="rgb24") for picture in pictures]
    return [frame.reformat(format=pix_fmt) for frame in frames]


def encode_pictures(target: str | Path | BinaryIO, count: int = 10, **kwargs: Any) -> None:
    """Losslessly, as RGB."""
    encode(target, rgb_frames(gradient(step=n) for n in range(count)), **kwargs)


CLICK_HZ = 1500


def click_track(rate: int, seconds: float, at: float) -> np.ndarray:
    """Silence with 5 ms of tone that starts at `at`, float32 [samples]."""
    sound = np.zeros(int(rate * seconds), np.float32)
    start, length = round(rate * at), rate // 200
    sound[start : start + length] = 0.8 * np.sin(2 * np.pi * CLICK_HZ * np.arange(length) / rate)
    return sound


def encode_with_click(
    target: str | Path | BinaryIO,
    *,
    format: str | None = None,
    audio_codec: str = "aac",
    rate: int = 44100,
    layout: str = "stereo",
    seconds: float = 2.0,
    event_s: float = 1.0,
    audio_delay: Fraction = Fraction(0),
    video_delay: Fraction = Fraction(0),
) -> None:
    """A white picture at `event_s`, and a click at the same moment; 25 pictures a second."""
    with av.open(
        target if not isinstance(target, Path) else str(target), "w", format=format
    ) as out:
        video = out.add_stream("libx264", rate=25, width=WIDTH, height=HEIGHT)
        video.pix_fmt = "yuv420p"
        video.codec_context.time_base = video.time_base = Fraction(1, 12800)
        audio = out.add_stream(audio_codec, rate=rate, layout=layout)
        audio.bit_rate = 96000
        sound = click_track(rate, seconds, event_s)
        for index in range(int(seconds * 25)):
            level = 255 if index == int(event_s * 25) else 16
            picture = np.full((HEIGHT, WIDTH, 3), level, np.uint8)
            frame = av.VideoFrame.from_ndarray(picture, format="rgb24")
            frame.pts = int((video_delay + Fraction(index, 25)) * 12800)
            frame.time_base = Fraction(1, 12800)
            out.mux(video.encode(frame))
            part = slice(index * rate // 25, (index + 1) * rate // 25)
            channels = np.stack([sound[part]] * (2 if layout == "stereo" else 1))
            block = av.AudioFrame.from_ndarray(channels, format="fltp", layout=layout)
            block.sample_rate = rate
            block.pts = part.start + int(audio_delay * rate)
            block.time_base = Fraction(1, rate)
            out.mux(audio.encode(block))
        out.mux(video.encode(None))
        out.mux(audio.encode(None))


def flash_and_click(path: Path) -> tuple[float, float, float]:
    """Times of the white picture and of the click, and where the sound ends; seconds."""
    with av.open(str(path)) as source:
        flash = next(
            float(frame.pts * frame.time_base)
            for frame in source.decode(video=0)
            if frame.to_ndarray(format="gray").mean() > 128
        )
    with av.open(str(path)) as source:
        blocks = list(source.decode(audio=0))
    start = float(blocks[0].pts * blocks[0].time_base)
    sound = np.abs(np.concatenate([block.to_ndarray()[0] for block in blocks]).astype(float))
    rate = blocks[0].sample_rate
    click = int(np.argmax(sound > 0.3 * sound.max())) / rate + start
    return flash, click, len(sound) / rate + start
