"""The receiver: packets -> references and tokens -> pictures.

decode.py          the spine: stream in, video out
sources.py         where a stream is read from
decoder.py         Decoder: frames with pts, damage concealed and reported
key_frames.py      KeyFrames: key packets decoded, the base of predicted ones kept
reconstruction.py  Reconstructor: the network with its references
inspection.py      what a stream holds, without decoding a picture
report.py          DecodeReport
"""

from imfcodec.receiver.decode import decode
from imfcodec.receiver.decoder import DecodedFrame, Decoder
from imfcodec.receiver.report import DecodeReport

__all__ = ["DecodeReport", "DecodedFrame", "Decoder", "decode"]
