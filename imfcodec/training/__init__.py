"""Training: videos -> shards -> checkpoints -> weights that `imfcodec encode` uses.

prepare/          videos to shards
shards.py         the files of a shard, written
data.py           read, and pairs drawn from them
config.py         all that a run depends on
trainee.py        network and quantiser, one pass
loop.py           the loop, top to bottom
export.py         checkpoint -> weights file
fit_tables.py     integer predictors and tables on training tokens
"""
