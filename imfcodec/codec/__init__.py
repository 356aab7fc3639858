"""What sender and receiver must do alike.

pictures/                key pictures: AV1 through SVT-AV1 and dav1d
tokens/                  token integers: quantiser, integer predictor, tables, range coder
network/                 the network by its engine: a reference and tokens in, pictures out
optical_flow.py          movement since the key frame: what E_T sees
restoration_strength.py  how strongly key frames are restored, by their quality
stages.py                time per stage
upcoming.py              what may still be in the making
threads.py               torch's threads, without changing them for the host program
"""
