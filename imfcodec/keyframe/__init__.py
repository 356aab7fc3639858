"""Key frames: one picture <-> bytes, alone or predicted from another, through PyAV's AV1 coders."""

from imfcodec.keyframe.av1 import Av1PictureDecoder, Av1PictureEncoder, CodedPicture

__all__ = ["Av1PictureDecoder", "Av1PictureEncoder", "CodedPicture"]
