"""Training: videos -> shards -> checkpoints -> weights that `imfcodec encode` uses.

prepare/          videos to shards
shards.py         a shard's files, written and read
pairs.py          pairs of frames drawn from a shard
prefetch.py       training data prepared ahead by worker processes
look.py           augmentation that all pictures of a pair share
landmarks.py      where faces are, and the coarse motion that follows from it
optical_flow.py   the motion that is shown to the network at first
restoration.py    R, which restores decoded key frames: trained before the network, then applied
send.py, sent_tokens.py       what a sender chooses for a shard's frames, to train the receiver on
config.py         the configuration of a run
trainee.py        network and token quantiser, one pass
losses.py, perceptual_loss.py, discriminator.py, adversary.py    what is minimised
distillation.py, narrowing.py  a teacher's student: what it learns, and how it begins
loop.py, processes.py         the loop, top to bottom, in one process or in many
optimisation.py   rate, precision and averaged weights of a step
checkpoint.py, tensor_file.py, run_log.py, validation.py, utilisation.py   what a run leaves behind
export.py, weights_list.py    checkpoint -> weights file, and what its folder says of it
fit_tables.py     integer predictors and tables on training tokens
overfit.py        all steps with one clip
"""
