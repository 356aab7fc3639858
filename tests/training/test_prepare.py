"""Videos to shards: what is kept, what is dropped, and what survives an interruption."""

from __future__ import annotations

import dataclasses
import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import av
import numpy as np
import pytest
from click.testing import CliRunner

from imfcodec.cli.main import imfcodec
from imfcodec.errors import InputUnreadable, NoFrames, OptionError, OutputExists, OutputFailed
from imfcodec.media import AudioMode, MediaReader, PictureFrame
from imfcodec.training.pairs import PairSampler
from imfcodec.training.prepare.journal import Journal
from imfcodec.training.prepare.options import PrepareOptions
from imfcodec.training.prepare.run import PrepareReport, prepare
from imfcodec.training.shards import Shard, ShardWriter
from tests.conftest import moving_picture

from .samples import small_run

Picture = np.ndarray
OPTIONS = PrepareOptions(size=64, stride=1, face=False, min_frames=4, val_share=0.0)
ARRAYS = ("frames.u8", "refs.u8", "index.json")


def write_video(path: Path, pictures: list[Picture], crf: int = 12) -> Path:
    """H.264 at 25 fps."""
    path.parent.mkdir(parents=True, exist_ok=True)
    with av.open(str(path), "w") as container:
        stream = container.add_stream("libx264", rate=25, options={"crf": str(crf)})
        stream.pix_fmt = "yuv420p"
        stream.height, stream.width = pictures[0].shape[:2]
        for picture in pictures:
            container.mux(stream.encode(av.VideoFrame.from_ndarray(picture, format="rgb24")))
        container.mux(stream.encode(None))
    return path


def moving(count: int, begin: int = 0, width: int = 64, height: int = 64) -> list[Picture]:
    return [moving_picture(begin + n, width, height) for n in range(count)]


def negative(pictures: list[Picture]) -> list[Picture]:
    return [255 - picture for picture in pictures]


@pytest.fixture
def videos(tmp_path: Path) -> Path:
    """Four moving clips, each of its own."""
    folder = tmp_path / "videos"
    for n in range(4):
        write_video(folder / f"{n}.mp4", moving(8 + n, 10 * n))
    return folder


def manifest_of(out: Path) -> dict[str, Any]:
    return json.loads((out / "manifest.json").read_text())


def shots_of(out: Path) -> list[dict[str, Any]]:
    return [shot for source in manifest_of(out)["sources"] for shot in source["shots"]]


def contents(out: Path) -> dict[str, bytes]:
    """All files but the manifest and the journal, whose order may differ."""
    return {
        str(file.relative_to(out)): file.read_bytes()
        for file in sorted(out.rglob("*"))
        if file.name in ARRAYS
    }


def run(videos: Path, out: Path, **changes: Any) -> PrepareReport:
    return prepare([videos], out, dataclasses.replace(OPTIONS, **changes))


def test_a_cut_makes_two_clips(tmp_path: Path) -> None:
    pictures = [*moving(10), *negative(moving(7))]
    report = run(write_video(tmp_path / "two.mp4", pictures), tmp_path / "out")
    assert [(shot["start"], shot["count"]) for shot in shots_of(tmp_path / "out")] == [
        (0, 10),
        (10, 7),
    ]
    assert report.splits["train"].clips == 2
    assert report.splits["train"].frames == 17


def test_two_cuts_close_to_each_other_are_both_found(tmp_path: Path) -> None:
    pictures = [*moving(10), *negative(moving(3)), *moving(10, 20)]
    run(write_video(tmp_path / "three.mp4", pictures), tmp_path / "out")
    assert [shot["count"] for shot in shots_of(tmp_path / "out")] == [10, 3, 10]
    assert [shot["dropped"] for shot in shots_of(tmp_path / "out")] == [None, "too short", None]


def test_useless_shots_are_dropped_with_their_reason(tmp_path: Path) -> None:
    folder = tmp_path / "videos"
    write_video(folder / "a-blank.mp4", [np.full((64, 64, 3), 16, np.uint8)] * 10)
    write_video(folder / "b-frozen.mp4", [moving_picture(0)] * 10, crf=30)
    write_video(folder / "c-short.mp4", moving(3))
    write_video(folder / "d-small.mp4", moving(10, width=48, height=24))
    write_video(folder / "e-good.mp4", moving(10))
    report = run(folder, tmp_path / "out")
    reasons = [shot["dropped"] for shot in shots_of(tmp_path / "out")]
    assert reasons == ["blank", "frozen", "too short", "too small", None]
    assert report.dropped == {"blank": 1, "frozen": 1, "too short": 1, "too small": 1}
    assert Shard(tmp_path / "out" / "train").clips[0].count == 10


def test_the_crop_stands_in_the_middle(tmp_path: Path) -> None:
    run(write_video(tmp_path / "wide.mp4", moving(6, width=160, height=96)), tmp_path / "out")
    assert shots_of(tmp_path / "out")[0]["crop"] == {"x": 32, "y": 0, "side": 96}


def test_a_square_of_the_right_size_passes_untouched(tmp_path: Path) -> None:
    video = write_video(tmp_path / "square.mp4", moving(9))
    run(video, tmp_path / "out", stride=2)
    with MediaReader(video, audio=AudioMode.NONE) as reader:
        source = [event.rgb for event in reader.events() if isinstance(event, PictureFrame)]
    frames = Shard(tmp_path / "out" / "train").frames
    assert np.array_equal(frames, np.stack(source[::2]))


def test_pixels_that_are_not_square_are_made_so(tmp_path: Path) -> None:
    path = tmp_path / "anamorphic.mp4"
    with av.open(str(path), "w") as container:
        stream = container.add_stream("libx264", rate=25)
        stream.width, stream.height, stream.pix_fmt = 64, 96, "yuv420p"
        stream.codec_context.sample_aspect_ratio = 2
        for picture in moving(6, width=64, height=96):
            container.mux(stream.encode(av.VideoFrame.from_ndarray(picture, format="rgb24")))
        container.mux(stream.encode(None))
    run(path, tmp_path / "out")
    assert shots_of(tmp_path / "out")[0]["crop"] == {"x": 16, "y": 0, "side": 96}


def test_no_more_frames_than_wanted(tmp_path: Path) -> None:
    video = write_video(tmp_path / "long.mp4", [*moving(30), *negative(moving(9))])
    run(video, tmp_path / "out", stride=2, max_frames_per_shot=6)
    assert [shot["kept"] for shot in shots_of(tmp_path / "out")] == [6, 5]


def test_pairs_can_be_drawn(videos: Path, tmp_path: Path) -> None:
    run(videos, tmp_path / "out")
    shard = Shard(tmp_path / "out" / "train")
    assert [clip.count for clip in shard.clips] == [8, 9, 10, 11]
    assert len({clip.identity for clip in shard.clips}) == 4
    assert shard.refs.shape == (40, 64, 64, 3)
    for clip in shard.clips:
        for ref, frame, *_ in clip.refs:
            near = shard.refs[ref].astype(int) - shard.frames[clip.start + frame]
            assert np.abs(near).mean() < 12
    batch = PairSampler(shard, small_run()).draw(0, 2, 64, flow=True)
    assert batch.current.shape == (2, 3, 64, 64)


def test_the_same_again(videos: Path, tmp_path: Path) -> None:
    run(videos, tmp_path / "one", val_share=0.5)
    run(videos, tmp_path / "other", val_share=0.5)
    assert contents(tmp_path / "one") == contents(tmp_path / "other")


def test_nobody_is_on_both_sides(tmp_path: Path) -> None:
    folder = tmp_path / "videos"
    rows = ["clip,identity,kind,note,extra"]
    for n in range(8):
        write_video(folder / "deep" / f"{n}.mp4", [*moving(5, n), *negative(moving(5, n))])
        rows.append(f"{n},person{n // 2},{'real' if n % 4 < 2 else 'cartoon'},,")
    labels = tmp_path / "labels.csv"
    labels.write_text("\n".join(rows))
    report = run(folder, tmp_path / "out", labels=labels, val_share=0.5)
    sides = [
        {clip.identity for clip in Shard(tmp_path / "out" / side).clips}
        for side in ("train", "val")
    ]
    assert sides[0].isdisjoint(sides[1])
    assert sides[0] | sides[1] == {f"person{n}" for n in range(4)}
    assert report.splits["train"].identities == len(sides[0])
    weights = {
        clip.identity: clip.weight
        for side in ("train", "val")
        for clip in Shard(tmp_path / "out" / side).clips
    }
    assert weights == {"person0": 1.0, "person1": 0.5, "person2": 1.0, "person3": 0.5}


def test_labels_may_say_the_split(videos: Path, tmp_path: Path) -> None:
    labels = tmp_path / "labels.csv"
    labels.write_text("clip,identity,split\n0,a,val\n1.mp4,b,train\n2,b,train\n3,c,val\n")
    run(videos, tmp_path / "out", labels=labels)
    assert {c.identity for c in Shard(tmp_path / "out" / "val").clips} == {"a", "c"}
    assert {c.identity for c in Shard(tmp_path / "out" / "train").clips} == {"b"}


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("name,identity\n0,a\n", "no column clip"),
        ("clip,identity\n0,a\n0,b\n", "two rows"),
        ("clip,identity,split\n0,a,test\n", "not train or val"),
        ("clip,identity,split\n0,a,val\n1,a,train\n", "both sides"),
    ],
)
def test_bad_labels(videos: Path, tmp_path: Path, text: str, message: str) -> None:
    labels = tmp_path / "labels.csv"
    labels.write_text(text)
    with pytest.raises(OptionError, match=message):
        run(videos, tmp_path / "out", labels=labels)


# Interruption


def test_ctrl_c_leaves_what_is_finished(videos: Path, tmp_path: Path) -> None:
    run(videos, tmp_path / "whole")

    def stop(frames: int, done_bytes: float) -> None:
        if frames > 8 + 9 + 5:
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        prepare([videos], tmp_path / "out", OPTIONS, stop)
    assert [clip.count for clip in Shard(tmp_path / "out" / "train").clips] == [8, 9]
    report = run(videos, tmp_path / "out")
    assert report.done_before == 2
    assert contents(tmp_path / "out") == contents(tmp_path / "whole")
    assert manifest_of(tmp_path / "out") == manifest_of(tmp_path / "whole")


@pytest.mark.parametrize(
    "moment", [(ShardWriter, "sync"), (Journal, "append")], ids=("sync", "append")
)
def test_a_failure_between_clip_and_record(
    videos: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, moment: tuple[type, str]
) -> None:
    run(videos, tmp_path / "whole")
    owner, name = moment
    original: Callable[..., None] = getattr(owner, name)
    calls = []

    def fail_once(*args: Any) -> None:
        calls.append(args)
        if len(calls) == 3:
            raise OSError(28, "No space left on device")
        original(*args)

    monkeypatch.setattr(owner, name, fail_once)
    with pytest.raises(OutputFailed, match="No space"):
        run(videos, tmp_path / "out")
    assert run(videos, tmp_path / "out").done_before == 2
    assert contents(tmp_path / "out") == contents(tmp_path / "whole")


def test_a_kill_in_the_middle_of_writing(videos: Path, tmp_path: Path) -> None:
    run(videos, tmp_path / "whole")
    out = tmp_path / "out"
    run(videos, out)
    # As it would be on the disk: two sources recorded, a third one half there.
    journal = out / "journal.jsonl"
    lines = journal.read_bytes().splitlines(keepends=True)
    journal.write_bytes(b"".join(lines[:3]) + lines[3][:40])
    for name in ("manifest.json", "train/index.json"):
        (out / name).unlink()
    for name in ("train/frames.u8", "train/refs.u8"):
        data = (out / name).read_bytes()
        (out / name).write_bytes(data[: len(data) * 3 // 4] + b"half")
    assert run(videos, out).done_before == 2
    assert contents(out) == contents(tmp_path / "whole")
    assert manifest_of(out) == manifest_of(tmp_path / "whole")


def test_videos_can_be_added(videos: Path, tmp_path: Path) -> None:
    out = tmp_path / "out"
    run(videos, out)
    before = (out / "train" / "frames.u8").read_bytes()
    write_video(videos / "00.mp4", moving(5, 70))
    assert run(videos, out).done_before == 4
    assert (out / "train" / "frames.u8").read_bytes()[: len(before)] == before
    assert Shard(out / "train").clips[-1].count == 5


def test_arrays_that_lost_data_are_not_built_upon(videos: Path, tmp_path: Path) -> None:
    out = tmp_path / "out"
    run(videos, out)
    (out / "train" / "frames.u8").write_bytes(b"")
    with pytest.raises(OutputFailed, match="shorter"):
        run(videos, out)
    assert run(videos, out, overwrite=True).done_before == 0


def test_other_options_are_refused(videos: Path, tmp_path: Path) -> None:
    out = tmp_path / "out"
    run(videos, out)
    with pytest.raises(OutputExists, match="stride 1, now 2"):
        run(videos, out, stride=2)
    report = run(videos, out, stride=2, overwrite=True)
    assert report.splits["train"].frames == 4 + 5 + 5 + 6


def test_a_folder_with_other_crops_is_refused(videos: Path, tmp_path: Path) -> None:
    """Format 1 cropped every face alike."""
    out = tmp_path / "out"
    run(videos, out)
    journal = out / "journal.jsonl"
    journal.write_text(journal.read_text().replace('"format": 2', '"format": 1', 1))
    with pytest.raises(OutputExists, match="another version"):
        run(videos, out)


def test_a_changed_identity_is_refused(videos: Path, tmp_path: Path) -> None:
    labels = tmp_path / "labels.csv"
    run(videos, tmp_path / "out")
    labels.write_text("clip,identity\n0,somebody\n")
    with pytest.raises(OptionError, match="somebody"):
        run(videos, tmp_path / "out", labels=labels)


def test_a_foreign_folder_is_left_alone(videos: Path, tmp_path: Path) -> None:
    with pytest.raises(OutputExists):
        run(videos, videos)


def test_two_runs_do_not_write_into_one_folder(videos: Path, tmp_path: Path) -> None:
    pytest.importorskip("fcntl")

    def again(frames: int, done_bytes: float) -> None:
        if (tmp_path / "out" / "train" / "index.json").exists():
            return  # the clips are written; only landmarks are still looked for
        with pytest.raises(OutputFailed, match="another run"):
            run(videos, tmp_path / "out")

    prepare([videos / "0.mp4"], tmp_path / "out", OPTIONS, again)


# Bad input


def test_what_cannot_be_read_is_listed(videos: Path, tmp_path: Path) -> None:
    out = tmp_path / "out"
    (videos / "broken.mp4").write_bytes(b"no video" * 100)
    (videos / "notes.txt").write_text("no video either")
    (videos / ".hidden.mp4").write_bytes(b"")
    report = run(videos, out)
    assert list(report.unreadable) == ["broken.mp4"]
    errors = {s["name"]: s["error"] for s in manifest_of(out)["sources"]}
    assert set(errors) == {"0.mp4", "1.mp4", "2.mp4", "3.mp4", "broken.mp4"}
    assert [name for name, error in errors.items() if error] == ["broken.mp4"]
    # Mended, it is read after all.
    write_video(videos / "broken.mp4", moving(6))
    report = run(videos, out)
    assert report.unreadable == {}
    assert report.done_before == 4
    assert Shard(out / "train").clips[-1].count == 6


def test_nothing_to_read(tmp_path: Path) -> None:
    (tmp_path / "empty").mkdir()
    with pytest.raises(InputUnreadable, match="no video in"):
        run(tmp_path / "empty", tmp_path / "out")
    with pytest.raises(InputUnreadable, match="no such file"):
        run(tmp_path / "missing.mp4", tmp_path / "out")
    assert not (tmp_path / "out").exists()


def test_nothing_usable(tmp_path: Path) -> None:
    video = write_video(tmp_path / "blank.mp4", [np.zeros((64, 64, 3), np.uint8)] * 9)
    with pytest.raises(NoFrames, match="1 blank"):
        run(video, tmp_path / "out")
    assert shots_of(tmp_path / "out")[0]["dropped"] == "blank"
    assert not (tmp_path / "out" / "train").exists()


def test_two_videos_of_one_name(videos: Path, tmp_path: Path) -> None:
    other = write_video(tmp_path / "other" / "0.mp4", moving(5))
    with pytest.raises(OptionError, match="both called"):
        prepare([videos, other], tmp_path / "out", OPTIONS)
    # The same file twice is one source.
    assert prepare([videos, videos / "0.mp4"], tmp_path / "out", OPTIONS).sources == 4


@pytest.mark.parametrize(
    "bad",
    [
        {"size": 100},
        {"size": 32},
        {"stride": 0},
        {"val_share": 1.5},
        {"min_frames": 1},
        {"max_frames_per_shot": 3},
    ],
    ids=str,
)
def test_options_out_of_range(bad: dict[str, Any]) -> None:
    with pytest.raises(OptionError):
        dataclasses.replace(OPTIONS, **bad)


# Command


def test_command(videos: Path, tmp_path: Path) -> None:
    (videos / "broken.mp4").write_bytes(b"no video")
    args = ["prepare", str(videos), str(tmp_path / "out"), "--no-face", "--size", "64"]
    args += ["--stride", "1", "--min-frames", "4", "--val-share", "0"]
    shown = CliRunner().invoke(imfcodec, args)
    assert shown.exit_code == 0, shown.output
    assert "5 files" in shown.stdout
    assert "4 clips, 38 frames, 4 identities" in shown.stdout
    assert "broken.mp4" in shown.stderr
    assert (tmp_path / "out" / "train" / "landmarks.f32").exists()
    record = json.loads(CliRunner().invoke(imfcodec, [*args, "--json"]).stdout)
    assert record["done_before"] == 4
    assert record["train"] == {"clips": 4, "frames": 38, "identities": 4}
    assert list(record["unreadable"]) == ["broken.mp4"]


def test_command_options_have_the_defaults_of_the_package() -> None:
    command = imfcodec.get_command(None, "prepare")  # type: ignore[arg-type]
    assert command is not None
    names = {parameter.name for parameter in command.params}
    assert names >= {field.name for field in dataclasses.fields(PrepareOptions)}
