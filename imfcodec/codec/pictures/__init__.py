"""Key frames: one picture <-> bytes, independent or predicted, with AV1 through PyAV."""

from imfcodec.codec.pictures.av1 import Av1PictureDecoder, Av1PictureEncoder, CodedPicture

__all__ = ["Av1PictureDecoder", "Av1PictureEncoder", "CodedPicture"]
