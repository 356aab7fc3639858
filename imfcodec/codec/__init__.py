"""What sender and receiver must do alike.

pictures/                key pictures: AV1 through SVT-AV1 and dav1d
tokens/                  token integers: quantiser, integer predictor, tables, range coder
network.py               references in, pictures out
optical_flow.py          movement since the key frame: what E_T sees
restoration_strength.py  how strongly key frames are restored, by their quality
stages.py                time per stage
"""
