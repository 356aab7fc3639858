"""The codecs that are compared; all implement `Codec`.

codec.py         the interface
lineup.py        all codecs, and their choice by name
imf.py           ours, through .imf files
imf_setting.py   what the settings of ours mean
frozen.py        the floor: the key frame, repeated
anchor.py        what all anchors have in common
sampling.py      fewer pixels and fewer pictures, and back
anchor_colour.py RGB <-> the YUV that every anchor codes
pyav.py          encoders of PyAV's build: svtav1.py, x265.py, x264.py, vp9.py
ffmpeg.py        encoders of imageio-ffmpeg's binary: vvc.py, libaom.py
"""
