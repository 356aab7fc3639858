"""The report of an encode."""

from __future__ import annotations

from dataclasses import dataclass, field

from imfcodec.bitstream import SizeLedger
from imfcodec.codec.stages import StageTimes
from imfcodec.quality import LADDER, OperatingPoint
from imfcodec.receiver.report import stream_rate_kbps
from imfcodec.sender.peak_rate import WINDOW_S


@dataclass
class EncodeReport:
    """Result of encoding one video.

    Attributes:
        quality: Of the options, or found for a rate or a size. Then it gives the CRF of ``point``.
        point: What was used.
        is_steady: Whether only the first key frame had this quality, and a rate set the others'.
        passes: How often the video was encoded to meet a rate or a size.
        preset: Name of the preset.
        frames: Frames coded.
        key_frames: Key frames of the whole picture or of all windows.
        predicted_key_frames: How many of those are coded from earlier key frames.
        duration_s: Duration of the video in seconds.
        peak_bytes: Most bytes, without sound, of any five seconds after the first five. The bytes
            of a packet count at the time of its first frame.
        sizes: Bytes of the stream by kind.
        weights: Name and id of the weights.
        display, coded: Width and height in pixels.
        coded_as: Frames by the way they are coded: "whole" by key frames and tokens, "av1", or
            "windows" over AV1. What each window layer takes is in ``sizes``.
        psnr_db: PSNR-RGB at coded size, in dB: the mean over the frames of the whole picture, or
            over those of all windows. Shots that are plain AV1 without a trial are left out. None
            if nothing was measured.
        stages: Time per stage, of the pass whose stream was kept.
        wall_s: Wall-clock time of the whole command in seconds.
        warnings: Properties of the source that could not be kept.
    """

    weights: str
    sizes: SizeLedger
    display: tuple[int, int]
    coded: tuple[int, int]
    coded_as: dict[str, int]
    quality: float = 60.0
    point: OperatingPoint = LADDER[60]
    is_steady: bool = False
    passes: int = 1
    preset: str = "default"
    frames: int = 0
    key_frames: int = 0
    predicted_key_frames: int = 0
    duration_s: float = 0.0
    peak_bytes: int = 0
    psnr_db: float | None = None
    stages: StageTimes = field(default_factory=StageTimes)
    wall_s: float = 0.0
    warnings: list[str] = field(default_factory=list)

    @property
    def fps(self) -> float:
        """Frames per second of the whole command."""
        return self.frames / self.wall_s if self.wall_s else 0.0

    @property
    def rate_kbps(self) -> float:
        """Rate of the stream without its audio in kbit/s."""
        return stream_rate_kbps(self.sizes, self.duration_s)

    @property
    def peak_kbps(self) -> float | None:
        """Highest rate, without audio, of five seconds after the first five, in kbit/s.

        None for a video of less than ten seconds.
        """
        return 8 * self.peak_bytes / WINDOW_S / 1000 if self.duration_s >= 2 * WINDOW_S else None

    @property
    def token_bits_per_frame(self) -> float:
        """Entropy-coded token bits per frame."""
        return 8 * self.sizes.token_bytes / self.frames if self.frames else 0.0
