"""Which clips are taken, and what becomes of those that cannot be."""

from __future__ import annotations

from pathlib import Path

import pytest

from imfcodec.bench.clips import find_clips, open_clips, read_manifest
from imfcodec.errors import InputUnreadable, OptionError, UnsupportedVideo
from tests.bench.conftest import write_video


@pytest.fixture
def short(tmp_path: Path) -> Path:
    return write_video(tmp_path / "short.mp4", frames=3)


def test_files_and_folders(video_folder: Path, short: Path) -> None:
    paths = find_clips([video_folder, short])
    assert [path.name for path in paths] == ["one.mp4", "short.mp4", "two.mp4"]
    with pytest.raises(InputUnreadable, match="absent"):
        find_clips([video_folder / "absent.mp4"])


def test_unusable_clips_are_set_aside(video_folder: Path, short: Path, tmp_path: Path) -> None:
    text = tmp_path / "text.mp4"
    text.write_text("no video at all")
    absent = tmp_path / "absent.mp4"
    clips, unusable = open_clips([short, video_folder / "one.mp4", text, absent])
    assert [clip.name for clip in clips] == ["one"]
    assert [clip.name for clip in unusable] == ["short", "text", "absent"]
    assert "3 frames" in str(unusable[0].error)
    assert isinstance(unusable[1].error, InputUnreadable)


def test_no_usable_clip(short: Path, tmp_path: Path) -> None:
    with pytest.raises(UnsupportedVideo, match="3 frames"):
        open_clips([short])
    missing = [tmp_path / f"{n}.mp4" for n in range(5)]
    with pytest.raises(InputUnreadable, match=r"0\.mp4.*; and 2 more"):
        open_clips(missing)


def test_two_clips_of_one_name(video_folder: Path, tmp_path: Path) -> None:
    one = video_folder / "one.mp4"
    with pytest.raises(OptionError, match="both called one"):
        open_clips([one, write_video(tmp_path / "one.mkv")])
    clips, _ = open_clips([one, video_folder / ".." / video_folder.name / "one.mp4"])
    assert len(clips) == 1


def test_manifest(tmp_path: Path) -> None:
    (tmp_path / "val").mkdir()
    for name in ("a.mp4", "val/b.mp4", "val/c.txt"):
        (tmp_path / name).touch()
    manifest = tmp_path / "manifest.csv"
    manifest.write_text("clip,split\nb,val\na.mp4,val\na,train\nval/b.mp4,other\nc,val\n")
    # "c" is no video: whoever opens it reports it.
    assert read_manifest(manifest, "val") == [
        tmp_path / "val" / "b.mp4",
        tmp_path / "a.mp4",
        tmp_path / "c",
    ]
    assert read_manifest(manifest, "other") == [tmp_path / "val" / "b.mp4"]
    assert len(read_manifest(manifest)) == 5
    with pytest.raises(OptionError, match="no clip of split 'test'"):
        read_manifest(manifest, "test")
    with pytest.raises(InputUnreadable):
        read_manifest(tmp_path / "absent.csv")
    for text in ("name\na\n", "clip,split\na\n", "\xff\xfe"):
        manifest.write_bytes(text.encode("latin-1"))
        with pytest.raises((OptionError, InputUnreadable)):
            read_manifest(manifest, "val")


@pytest.mark.data
def test_the_manifest_of_the_talking_heads(data: Path) -> None:
    paths = read_manifest(data / "manifest.csv", "val")
    assert len(paths) == len(set(paths)) == len(list((data / "val").glob("*.mp4")))
    assert all(path.is_file() for path in paths)
