"""Key pictures <-> bytes, independent or predicted; today AV1 through PyAV."""

from typing import Final

from imfcodec.bitstream import KEY_CODEC_AV1
from imfcodec.codec.pictures.av1 import Av1PictureDecoder, Av1PictureEncoder
from imfcodec.codec.pictures.picture_codec import (
    CodedPicture,
    PictureCodec,
    PictureDecoder,
    PictureEncoder,
)

PICTURE_CODECS: Final = {KEY_CODEC_AV1: PictureCodec(Av1PictureEncoder, Av1PictureDecoder)}
"""By the wire id that the stream header carries."""

__all__ = [
    "PICTURE_CODECS",
    "Av1PictureDecoder",
    "Av1PictureEncoder",
    "CodedPicture",
    "PictureCodec",
    "PictureDecoder",
    "PictureEncoder",
]
