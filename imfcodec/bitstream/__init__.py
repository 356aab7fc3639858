"""The .imf stream: packets to bytes and back; FORMAT.md is its specification.

`StreamWriter` takes a `StreamHeader` and packets and writes them in order. `StreamReader` returns
them in order, with a `Damage` at each broken place of the file. Neither seeks. Below them,
`header`, `payloads`, `layers` and `runs` code the fields, `framing` puts mark, head and checksum
around a payload, `timeline` derives the frame numbers and timestamps that packets leave out,
`limits` bounds every size, and `sizes` counts bytes by kind. Pictures, tokens and audio are opaque
here: this package needs only the standard library.
"""

from imfcodec.bitstream.header import (
    AUDIO_CODEC_OPUS,
    FORMAT_VERSION,
    KEY_CODEC_AV1,
    TOKEN_SIZES,
    AudioParameters,
    ColourTags,
    Geometry,
    StreamHeader,
    read_header,
    write_header,
)
from imfcodec.bitstream.key_chain import chain_length
from imfcodec.bitstream.limits import FORMAT_LIMITS, Limits, padded
from imfcodec.bitstream.packets import (
    AudioPacket,
    Damage,
    EndPacket,
    ExtensionPacket,
    KeyPacket,
    LayerPacket,
    Packet,
    PredictedKeyPacket,
    RunPacket,
    TokenPacket,
    VideoPacket,
    Window,
    WindowEnd,
    frame_pts,
    low_bits,
)
from imfcodec.bitstream.reader import StreamReader
from imfcodec.bitstream.signature import SIGNATURE
from imfcodec.bitstream.sizes import SizeLedger
from imfcodec.bitstream.writer import StreamWriter

__all__ = [
    "AUDIO_CODEC_OPUS",
    "FORMAT_LIMITS",
    "FORMAT_VERSION",
    "KEY_CODEC_AV1",
    "SIGNATURE",
    "TOKEN_SIZES",
    "AudioPacket",
    "AudioParameters",
    "ColourTags",
    "Damage",
    "EndPacket",
    "ExtensionPacket",
    "Geometry",
    "KeyPacket",
    "LayerPacket",
    "Limits",
    "Packet",
    "PredictedKeyPacket",
    "RunPacket",
    "SizeLedger",
    "StreamHeader",
    "StreamReader",
    "StreamWriter",
    "TokenPacket",
    "VideoPacket",
    "Window",
    "WindowEnd",
    "chain_length",
    "frame_pts",
    "low_bits",
    "padded",
    "read_header",
    "write_header",
]
