"""Training: clips -> shards -> checkpoints -> weights that `imfcodec encode` uses.

shards.py         writes shards of frames and AV1-decoded key frames
data.py           reads them, draws pairs
quantisation.py   noise, learned steps, rate
losses.py         the terms of the loss
loop.py           the loop, top to bottom
fit_tables.py     integer predictors and tables on training tokens
export.py         checkpoint -> weights file
recipe.py         the commands behind the shipped weights
"""
