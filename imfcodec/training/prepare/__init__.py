"""Any videos, and photographs of faces -> training shards: `imfcodec prepare`.

    files ─ scan ─ shots, small luma, faces ─ plan ─ crop or reason ─┐
      └──── read again ─ crop, scale ──────────────────────────────► ShardWriter ─► journal
    photographs ─ portrait ─ synthetic motion ─────────────────────────┘

run.py        the spine, one source at a time
options.py    what can be asked for
labels.py     identities, weights, the split
scan.py       first pass: small pictures -> shots, and where a shot ends
faces.py      YuNet, tracks of overlapping boxes, landmarks of the frames that were kept
plan.py       a shot -> its square crop, or the reason why it is dropped
photo.py      a photograph -> a portrait
synthetic_motion.py  a portrait -> a clip
extract.py    second pass: cropped and scaled frames
records.py    what is known of a source and its shots, to and from JSON
journal.py    the record of finished sources that a later run resumes from
dataset.py    the output folder: two shards, journal, manifest

A source is decoded twice, so that memory holds one picture and not a shot: where a face stays
is only known at the end of the shot.
"""
