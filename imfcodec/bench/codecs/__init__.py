"""The codecs that are compared; all implement `Codec`.

codec.py         the interface
lineup.py        all codecs, and their choice by name
imf.py           ours, through .imf files
frozen.py        the floor: the key frame, repeated
anchors.py       the codecs of others: their encoders and options
anchor.py        what all anchors have in common
sampling.py      fewer pixels and fewer pictures, and back
anchor_colour.py RGB <-> the YUV that every anchor codes
pyav.py          runs encoders of PyAV's build
watched.py       runs one that may hang in a process of its own
ffmpeg.py        runs encoders of imageio-ffmpeg's binary
"""
