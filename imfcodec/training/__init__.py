"""Training: videos -> shards -> checkpoints -> weights that `imfcodec encode` uses.

prepare/          videos to shards
shards.py         the files of a shard, written
name_hash.py      choices that follow from a name alone
data.py           read, and pairs drawn from them
planners.py       prefetch of training data by worker processes
look.py           augmentation that all pictures of a pair share
landmarks.py      where faces are, and the coarse motion that follows from it
optical_flow.py   the motion that is shown to the network at first
restoration.py    trains R, which restores decoded key frames, before the network
restored_references.py        a shard's references restored by R, once for each run
send.py, sent_tokens.py       what a sender chooses for a shard's frames, to train the receiver on
config.py         the configuration of a run
trainee.py, quantisation.py   network and quantiser, one pass
losses.py, perceptual_loss.py, discriminator.py, ada.py    what is minimised
loop.py, processes.py         the loop, top to bottom, in one process or in many
precision.py, schedule.py, averaging.py    how a step computes, how rate and averaged weights go
checkpoint.py, tensor_file.py, run_log.py, validation.py, utilisation.py   what a run leaves behind
refined_run.py    tokens of a run of frames, and the integers that a sender sends
export.py, export_run.py      checkpoint -> weights file
fit_tables.py     integer predictors and tables on training tokens
manifest.py, model_card.py    the list of weights files and their descriptions
overfit.py        all steps with one clip
"""
