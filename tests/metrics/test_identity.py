from __future__ import annotations

from pathlib import Path

import av
import numpy as np
import pytest
import torch
from safetensors.torch import save_file

from imfcodec.errors import OptionError
from imfcodec.media.faces import FaceFinder
from imfcodec.metrics.face_boxes import follow_faces
from imfcodec.metrics.identity import SIDE, Recogniser, alignment

pytest.importorskip("cv2")

TEMPLATE_NOSE = (56.0252, 71.7366)
EYE = np.array([38.2946, 51.6963])
FACE = np.array(
    [EYE, [73.5318, 51.5014], TEMPLATE_NOSE, [41.5493, 92.3655], [70.7299, 92.2041]], float
)


def moved(angle: float, scale: float, shift: tuple[float, float]) -> np.ndarray:
    turn = scale * np.array([[np.cos(angle), -np.sin(angle)], [np.sin(angle), np.cos(angle)]])
    return FACE @ turn.T + shift


def test_alignment_undoes_turn_scale_and_shift() -> None:
    landmarks = moved(0.3, 1.7, (40, -12))
    placed = np.c_[landmarks, np.ones(5)] @ alignment(landmarks).T
    assert placed == pytest.approx(FACE, abs=1e-9)


def test_alignment_does_not_bend_a_face() -> None:
    """A face that is not like the template is placed as well as turning and scaling can do."""
    squeezed = moved(0.1, 1.2, (5, 5)) * (0.6, 1)
    matrix = alignment(squeezed)[:, :2]
    assert matrix @ matrix.T == pytest.approx(np.eye(2) * np.linalg.det(matrix))


def tensors(channels: int = 4) -> dict[str, torch.Tensor]:
    """A recogniser of random numbers: one block of each kind."""
    torch.manual_seed(0)
    shapes: dict[str, tuple[int, ...]] = {
        "conv_1": (channels, 3, 3, 3),
        "conv_2_dw": (channels, 1, 3, 3),
        "conv_6sep": (8, channels, 1, 1),
        "conv_6dw7_7": (8, 1, 7, 7),
    }
    for block in ("dconv_23", "res_3_block0", "dconv_34", "dconv_45"):
        shapes |= {
            f"{block}_conv_sep": (6, channels, 1, 1),
            f"{block}_conv_dw": (6, 1, 3, 3),
            f"{block}_conv_proj": (channels, 6, 1, 1),
        }
    made = {"fc.weight": torch.randn(128, 8), "fc.bias": torch.zeros(128)}
    for name, shape in shapes.items():
        made[f"{name}.weight"] = torch.randn(shape) * 0.3
        made[f"{name}.bias"] = torch.randn(shape[0]) * 0.1
        if not name.endswith(("proj", "7_7")):
            made[f"{name}.prelu"] = torch.full((shape[0],), 0.25)
    return made


def test_embeddings_have_length_one_and_ignore_the_rest_of_the_picture(tmp_path: Path) -> None:
    save_file(tensors(), tmp_path / "face.safetensors")
    recogniser = Recogniser(tmp_path / "face.safetensors")
    picture = np.random.default_rng(0).integers(0, 256, (300, 300, 3), np.uint8)
    landmarks = FACE + 20
    first = recogniser.embed(picture, landmarks)
    assert first.shape == (128,)
    assert np.linalg.norm(first) == pytest.approx(1, abs=1e-6)
    picture[20 + SIDE :] = 0
    assert recogniser.embed(picture, landmarks) == pytest.approx(first)
    picture[20 : 20 + SIDE] //= 2
    assert float(first @ recogniser.embed(picture, landmarks)) < 0.9999


def test_files_that_are_no_recogniser(tmp_path: Path) -> None:
    path = tmp_path / "face.safetensors"
    with pytest.raises(OptionError, match="face recogniser"):
        Recogniser(path)
    path.write_bytes(b"no tensors")
    with pytest.raises(OptionError, match="face recogniser"):
        Recogniser(path)
    lacking = tensors()
    del lacking["conv_6sep.bias"]
    save_file(lacking, path)
    with pytest.raises(OptionError, match="no MobileFaceNet"):
        Recogniser(path)


@pytest.mark.data
def test_same_and_different_people(data: Path, metrics_folder: Path) -> None:
    finder = FaceFinder()
    recogniser = Recogniser(metrics_folder / "mobilefacenet_y1_f32.safetensors")
    people = []
    for clip in sorted((data / "val").glob("*.mp4"))[:3]:
        with av.open(str(clip)) as container:
            frames = [f.to_ndarray(format="rgb24") for f in container.decode(video=0)][::60]
        (track,) = follow_faces(frames, finder, (256, 256))
        pairs = zip(frames, track.landmarks, strict=True)
        people.append(np.stack([recogniser.embed(*pair) for pair in pairs]))
    same = min(float((person @ person[0]).min()) for person in people)
    different = max(float((people[0] @ other.T).max()) for other in people[1:])
    assert same > 0.5
    assert different < 0.35
