"""Measures the codec against the alternatives.

    clips ─┐
    codecs ┼─ jobs ─ local processes or a cluster ─ points ─ results.json ─ report
    scores ┘             (cache)

clip.py, clips.py     what is measured on
codecs/               ours, the frozen key frame, and the anchors, all with the interface `Codec`
scoring.py, meters.py metrics of one decoded clip; score_options.py says which
job.py                one codec at one setting on one clip -> a point
earlier.py            the same from results of another machine
memo.py               clips, pictures and figures that need not be read, decoded and drawn again
local.py, cluster.py  jobs in processes of this machine, or on Ray
runner.py             all jobs of a run
results.py            what was found, as plain data
summary.py            means and BD-rates
report/               curves, tables and a page to look at
speed/                frames per second, time per stage, memory
environment.py        machine, commit, versions
demo_clip.py          a talking head made from a bundled photograph, for trying things out
"""
