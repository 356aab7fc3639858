from __future__ import annotations

from pathlib import Path

import pytest

from imfcodec.bench.clip import Clip
from imfcodec.bench.memo import Memo
from imfcodec.errors import UnsupportedVideo
from tests.bench.conftest import write_video


@pytest.fixture
def memo(tmp_path: Path) -> Memo:
    return Memo(tmp_path / "memo")


def test_a_value_comes_back_under_its_key_alone(memo: Memo) -> None:
    memo.put(["clip", 1], [64, "25/1", None])
    assert memo.get(["clip", 1]) == [64, "25/1", None]
    assert memo.get(["clip", 2]) is None


@pytest.mark.parametrize("damage", ["", "{", "[]", "{}"])
def test_a_damaged_value_is_none(memo: Memo, damage: str) -> None:
    memo.put("key", "value")
    (file,) = memo.folder.rglob("*.json")
    file.write_text(damage)
    assert memo.get("key") is None
    memo.put("key", "value")
    assert memo.get("key") == "value"


def test_a_folder_that_cannot_be_written_costs_time_only(tmp_path: Path) -> None:
    (tmp_path / "file").touch()
    memo = Memo(tmp_path / "file" / "memo")
    memo.put("key", "value")
    assert memo.get("key") is None


def test_a_clip_is_read_through_once(
    memo: Memo, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = write_video(tmp_path / "clip.mp4")
    short = write_video(tmp_path / "short.mp4", frames=3)
    clip = Clip.open(path, memo)
    assert clip == Clip.open(path)
    with pytest.raises(UnsupportedVideo, match="3 frames"):
        Clip.open(short, memo)
    monkeypatch.setattr("imfcodec.bench.clip.MediaReader", None)
    assert Clip.open(path, memo) == clip
    with pytest.raises(UnsupportedVideo, match="3 frames"):
        Clip.open(short, memo)
    with pytest.raises(TypeError):  # other bytes are another clip
        Clip.open(write_video(path, frames=11), memo)
