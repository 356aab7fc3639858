"""The receiver: packets -> references and tokens -> pictures.

decode.py          the spine: stream in, video out
sources.py         files, pipes and standard input as sources of a stream
engine.py          what runs the network, with which weights
decoder.py         Decoder: plans frames with pts; conceals and reports damage
read_ahead.py      ReadAhead: packets ahead of their use
layer_decoder.py   LayerDecoder: key frames and tokens of one layer
windows.py         WindowTrack: the window of a layer; its packets wait for the base
runs.py            RunDecoder: plain AV1 of the base
workers.py         Workers: threads that restore, rebuild and compose ahead
display.py         Display: frames at display size; composition.py draws the windows
key_frames.py      KeyFrames: decodes key packets, keeps what predicted key frames need
inspection.py      what a stream holds, without decoding a picture
report.py          DecodeReport

Nothing is imported here: `inspection` needs no torch.
"""
