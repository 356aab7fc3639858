from __future__ import annotations

from pathlib import Path

import numpy as np

from imfcodec.bench.codecs.frozen import Frozen
from imfcodec.metrics.fidelity import psnr_rgb_db


def test_the_first_frame_stands_still(make_clip, tmp_path: Path) -> None:
    clip = make_clip(width=81, height=67)
    codec = Frozen()
    sizes = []
    for setting in codec.settings:
        encoded = codec.encode(clip, setting, tmp_path)
        assert encoded.size_bytes == encoded.path.stat().st_size
        sizes.append(encoded.size_bytes)
    assert sizes == sorted(set(sizes))
    decoded = list(codec.decode(encoded, clip))
    assert len(decoded) == 13
    assert all((picture == decoded[0]).all() for picture in decoded)
    assert decoded[0].shape == (67, 81, 3)
    first, *_, last = clip.pictures()
    assert psnr_rgb_db(first, decoded[0]) > 30
    assert psnr_rgb_db(first, decoded[0]) > psnr_rgb_db(last, decoded[0]) + 3


def test_a_large_picture_is_coded_as_our_sender_does(make_clip, tmp_path: Path) -> None:
    clip = make_clip(frames=8, width=300, height=280)
    at_own_size = Frozen(short_side=280).encode(clip, "crf40", tmp_path)
    reduced = Frozen().encode(clip, "crf40", tmp_path)
    assert reduced.size_bytes < at_own_size.size_bytes
    np.testing.assert_equal({p.shape for p in Frozen().decode(reduced, clip)}, {(280, 300, 3)})


def test_role_and_version() -> None:
    assert Frozen().role == "floor"
    assert Frozen().missing() is None
    assert Frozen().version() != Frozen(preset=5).version()
