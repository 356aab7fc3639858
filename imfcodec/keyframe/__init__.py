"""Key frames: one picture <-> bytes, through PyAV's AV1 coders."""

from imfcodec.keyframe.av1 import Av1PictureDecoder, Av1PictureEncoder

__all__ = ["Av1PictureDecoder", "Av1PictureEncoder"]
