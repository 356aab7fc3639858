"""What sender and receiver must do alike.

pictures/        key pictures: AV1 through SVT-AV1 and dav1d
tokens/          token integers: quantiser, integer predictor, tables, range coder
network.py       references in, pictures out
optical_flow.py  movement since the key frame: what E_T sees, in the sender and in training
restoration_strength.py  how strongly a key frame of a quality is restored
stages.py        time per stage
"""
