"""The receiver: packets -> references and tokens -> pictures.

decode.py          the spine: stream in, video out
sources.py         files, pipes and standard input as sources of a stream
decoder.py         Decoder: frames with pts; conceals and reports damage
key_frames.py      KeyFrames: decodes key packets, keeps what predicted key frames need
inspection.py      what a stream holds, without decoding a picture
report.py          DecodeReport

Nothing is imported here: `inspection` needs no torch.
"""
