"""Training: shards of frames -> weights that `imfcodec encode` uses.

data -> quantisation, losses -> loop -> export
"""
