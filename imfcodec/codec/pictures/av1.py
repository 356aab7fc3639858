"""AV1 pictures, independent or predicted: libsvtav1 writes them, libdav1d reads them."""

from __future__ import annotations

from collections.abc import Sequence
from fractions import Fraction

import av
import av.error
import numpy as np
from av.video.reformatter import ColorRange, Colorspace, Interpolation, VideoReformatter

from imfcodec.codec.pictures.obu import (
    DELIMITER,
    SEQUENCE_HEADER,
    TEMPORAL_DELIMITER,
    shown_pictures,
    split_units,
)
from imfcodec.codec.pictures.picture_codec import CodedPicture, Picture
from imfcodec.codec.pictures.scheduling import usual_scheduling, watched
from imfcodec.errors import CorruptStream, KeyframeCodecError, LimitExceeded

# Without these flags, swscale's RGB is wrong by about one level on average.
ACCURATE = (
    Interpolation.ACCURATE_RND
    | Interpolation.FULL_CHR_H_INT
    | Interpolation.FULL_CHR_H_INP
    | Interpolation.BICUBIC
)
MIN_CRF, MAX_CRF = 1, 63

PREDICTED_CRF_STEP = 14
"""Added to the CRF of predicted pictures: their base is worth more bits, as all of them depend on
it. benchmarks/LOG.md has the LPIPS of restored pictures that decided this."""

_QINDEX_PER_CRF = 4
"""SVT-AV1 takes CRFs in quarters, and its quantiser index is that fine."""

PATIENCE_S, PATIENCE_S_PER_MEGAPIXEL = 10.0, 150.0
"""Time for SVT-AV1 to code pictures before it counts as stuck. On a busy machine, noise at preset 0
takes a sixth of it."""


def predicted_crf(crf: float) -> float:
    """CRF of pictures that are predicted from a base of this CRF."""
    return min(crf + PREDICTED_CRF_STEP, MAX_CRF)


def in_quarters(crf: float) -> float:
    """The nearest CRF that SVT-AV1 takes."""
    return round(_QINDEX_PER_CRF * crf) / _QINDEX_PER_CRF


class Av1PictureEncoder:
    """A `PictureEncoder` that codes one picture at a time into OBUs.

    The configuration of a `CodedPicture` is the sequence header unit; its data are the other units,
    without the temporal delimiter.

    The same pictures and settings give the same bytes, as SVT-AV1 runs on one thread. A picture is
    coded as the first frame of a low-delay video, so that later pictures can be predicted from it
    as the next frames. The encoder is not kept until then; it is run again.

        encode(a)           [a]         ─ SVT-AV1 ─ a's units
        predict([a], b)     [a, b]      ─ SVT-AV1 ─ a's units as before, b's units
        predict([a, b], c)  [a, b, c]   ─ SVT-AV1 ─ a's and b's units as before, c's units
    """

    def __init__(self, width: int, height: int, preset: int = 2) -> None:
        self._size = (width, height)
        self._preset = preset

    def encode(self, picture: Picture, crf: float) -> CodedPicture:
        """See `PictureEncoder.encode`."""
        (coded,) = self._video([picture], crf)
        return coded

    def predict(
        self, earlier: Sequence[tuple[Picture, CodedPicture]], picture: Picture, crf: float
    ) -> CodedPicture | None:
        """See `PictureEncoder.predict`.

        The result is None if SVT-AV1 made the picture independent, or if the earlier pictures do
        not give the same bytes again, so that the receiver could not decode it.
        """
        sources, coded = zip(*earlier, strict=True)
        *again, predicted = self._video([*sources, picture], crf)
        return predicted if tuple(again) == coded and not predicted.config else None

    def encode_pair(
        self, base: Picture, picture: Picture, crf: float
    ) -> tuple[CodedPicture, CodedPicture | None]:
        """Code one independent picture, as `encode` does, and one predicted from it.

        Args:
            base: RGB uint8 [H, W, 3], the picture to predict from.
            picture: RGB uint8 [H, W, 3].
            crf: Quality (CRF) of the base, as for `encode`.

        Returns:
            Both coded pictures; None for the second if SVT-AV1 made it independent.

        Raises:
            KeyframeCodecError: libsvtav1 is missing or refuses.
        """
        coded_base, predicted = self._video([base, picture], crf)
        return coded_base, None if predicted.config else predicted

    def _video(self, pictures: Sequence[Picture], crf: float) -> list[CodedPicture]:
        """Code a low-delay video of one key picture and predicted pictures; watched."""
        megapixels = len(pictures) * self._size[0] * self._size[1] / 1e6
        patience_s = PATIENCE_S + PATIENCE_S_PER_MEGAPIXEL * megapixels
        return watched(lambda: self._unwatched(pictures, crf), patience_s)

    def _unwatched(self, pictures: Sequence[Picture], crf: float) -> list[CodedPicture]:
        # The CRF holds for the pictures after the first; an offset makes the first one finer.
        key_crf = in_quarters(min(max(crf, MIN_CRF), MAX_CRF))
        video_crf = predicted_crf(key_crf)
        offset = int(_QINDEX_PER_CRF * (key_crf - video_crf))
        packets = []
        to_yuv = VideoReformatter()  # its own, as an attempt left behind may still use another
        try:
            coder = av.VideoCodecContext.create("libsvtav1", "w")
            coder.width, coder.height = self._size
            coder.pix_fmt = "yuv420p"
            coder.time_base = Fraction(1, 25)
            coder.framerate = Fraction(25)
            coder.options = {
                "preset": str(self._preset),
                # Libav's own crf is an integer.
                "svtav1-params": (
                    f"crf={video_crf:g}:tune=1:lp=1:pred-struct=1:lookahead=0:enable-tf=0"
                    ":enable-variance-boost=1:variance-boost-strength=1"
                    f":use-fixed-qindex-offsets=1:key-frame-qindex-offset={offset}"
                    ":qindex-offsets=[0,0,0,0,0,0]"
                ),
            }
            with usual_scheduling():
                coder.open()
            for number, picture in enumerate(pictures):
                packets += coder.encode(yuv_of(to_yuv, picture, number))
            packets += coder.encode(None)
        except (av.error.FFmpegError, ValueError) as error:
            raise KeyframeCodecError(f"libsvtav1 cannot code the key frame: {error}") from error
        if len(packets) != len(pictures):
            raise KeyframeCodecError(
                f"libsvtav1 returned {len(packets)} packets for {len(pictures)} pictures"
            )
        return [_coded(bytes(packet)) for packet in packets]


def yuv_of(to_yuv: VideoReformatter, picture: Picture, number: int) -> av.VideoFrame:
    """BT.709 4:2:0, limited range, of RGB uint8 [H, W, 3]; ``number`` is its pts."""
    frame = to_yuv.reformat(
        av.VideoFrame.from_ndarray(np.ascontiguousarray(picture), format="rgb24"),
        format="yuv420p",
        src_color_range=ColorRange.JPEG,
        dst_colorspace=Colorspace.ITU709,
        dst_color_range=ColorRange.MPEG,
        interpolation=ACCURATE,
    )
    frame.pts = number
    return frame


def picture_of(to_rgb: VideoReformatter, frame: av.VideoFrame) -> Picture:
    """RGB uint8 [H, W, 3] of a decoded frame: the inverse of `yuv_of`."""
    picture: Picture = to_rgb.reformat(
        frame,
        format="rgb24",
        src_colorspace=Colorspace.ITU709,
        src_color_range=ColorRange.MPEG,
        dst_color_range=ColorRange.JPEG,
        interpolation=ACCURATE,
    ).to_ndarray()  # type: ignore[assignment]
    return picture


def _coded(data: bytes) -> CodedPicture:
    units = split_units(data)
    return CodedPicture(
        b"".join(u for kind, u in units if kind == SEQUENCE_HEADER),
        b"".join(u for kind, u in units if kind not in (SEQUENCE_HEADER, TEMPORAL_DELIMITER)),
    )


class Av1PictureDecoder:
    """Decodes OBUs; the pixels are the same on every machine, as AV1 decoding is normative."""

    def __init__(self, width: int, height: int) -> None:
        self._size = (width, height)
        self._to_rgb = VideoReformatter()

    def decode(self, coded: CodedPicture, earlier: Sequence[CodedPicture] = ()) -> Picture:
        """See `PictureDecoder.decode`."""
        chain = [*earlier, coded]
        width, height = self._size
        try:
            # Every picture has its own decoder, so that no state of a damaged picture survives.
            coder = av.VideoCodecContext.create("libdav1d", "r")
        except (av.error.FFmpegError, ValueError) as error:
            raise KeyframeCodecError(f"libdav1d is not available: {error}") from error
        coder.options = {
            "threads": "1",
            "max_pixels": str(width * height),  # checked before dav1d allocates memory
            "alllayers": "0",
        }
        frames: list[av.VideoFrame] = []
        try:
            shown = shown_pictures(coded.config + coded.data)  # those before were asked already
            if shown != 1:
                raise CorruptStream(f"key packet holds {shown} pictures instead of 1")
            for link in chain:
                unit = av.Packet(DELIMITER + link.config + link.data)
                frames += coder.decode(unit)  # type: ignore[attr-defined]
            frames += coder.decode(None)  # type: ignore[attr-defined]
        except (av.error.FFmpegError, ValueError, KeyframeCodecError) as error:
            raise CorruptStream(f"key picture does not decode: {error}") from error
        if len(frames) != len(chain):
            raise CorruptStream(
                f"key packet gives {len(frames) - len(chain) + 1} pictures instead of 1"
            )
        for frame in frames:
            if (frame.width, frame.height) != self._size:
                raise LimitExceeded(
                    f"key picture is {frame.width}x{frame.height}, header says {width}x{height}"
                )
        return picture_of(self._to_rgb, frames[-1])
