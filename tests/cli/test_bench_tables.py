from __future__ import annotations

import pytest

from imfcodec.bench.speed.result import Playing, RealTime, SpeedResult, SpeedRow, Stage
from imfcodec.bench.summary import Mean
from imfcodec.cli.bench_tables import means_tables, real_time_table, speed_tables
from imfcodec.cli.output import show_columns

SCORES = {"psnr_rgb_db": 31.234, "ssim": 0.91234, "mouth_psnr_rgb_db": 28.0, "eyes_lpips_alex": 0.1}
ROW = Mean(
    codec="imf",
    setting="crf40-q1",
    rate_kbps=4.5,
    scores=SCORES,
    worst={"psnr_rgb_db": 29.0, "mouth_psnr_rgb_db": 25.0},
    counted={**dict.fromkeys(SCORES, 3), "ssim": 2},
    clips=3,
    failed=1,
    encode_s=1.0,
    decode_s=1.0,
)


def test_parts_of_the_picture_have_tables_of_their_own() -> None:
    whole, worst, eyes, mouth = means_tables([ROW], by_name=True)
    assert whole[0] == ("codec", "setting", "kbps", "psnr_rgb_db", "ssim", "clips", "failed")
    assert whole[1] == ("imf", "crf40-q1", "4.50", "31.23", "0.9123 (2)", "3", "1")
    assert worst == [
        ("5 % worst frames", "setting", "kbps", "psnr_rgb_db"),
        ("imf", "crf40-q1", "4.50", "29.00"),
    ]
    assert eyes[0] == ("eyes", "setting", "kbps", "lpips_alex")
    assert mouth[1] == ("imf", "crf40-q1", "4.50", "28.00")


def test_only_the_whole_picture_without_names() -> None:
    assert len(list(means_tables([ROW], by_name=False))) == 1


def test_speed_shows_every_figure_and_names_as_they_are(capsys: pytest.CaptureFixture[str]) -> None:
    stages = (Stage("read", 1.5), Stage("alignment", 10.0, True), Stage("decoder", 15.0, True))
    row = SpeedRow(
        *("imfcodec [fast]", True, "decode", "cpu", 2),
        frames=100,
        wall_s=4.0,
        rate_kbps=3.25,
        peak_memory_bytes=300 << 20,
        stages=stages,
    )
    show_columns(*speed_tables(SpeedResult("anna", 256, 256, 100, "a machine", (row,))))
    commands, times = (part.splitlines() for part in capsys.readouterr().out.split("\n\n"))
    assert commands[1].split("  ")[0] == "decode imfcodec [fast]"
    assert commands[1].split()[3:] == ["cpu", "2", "3.25", "25.0", "40.0", "300"]
    assert times[0].startswith("anna, 256x256, 100 frames")
    assert times[1].endswith("read 1.50, alignment 10.00, decoder 15.00, other 13.50")


def test_real_time_has_a_column_for_each_clip() -> None:
    playing, live = Playing(31.25, 450 << 20, 1.234, 0.085), Playing(36.4, 420 << 20, 0.98, 0.04)
    encoding, decoding = {"fast": 23.33, "default": 9.04}, {"torch": playing}
    figures = (3.5, encoding, decoding, 33.3, 0.0601, {"torch": live}, 260.4)
    rows = [RealTime(clip, 256, 256, 300, 29.97, 2, *figures) for clip in ("anna", "ben")]
    table = real_time_table(rows)
    assert table[0] == ("figure", "anna", "ben")
    assert all(cells[1] == cells[2] for cells in table[1:])
    assert dict(cells[:2] for cells in table[1:]) == {
        "picture": "256x256, 300 frames",
        "frames/s of the clip": "29.97",
        "threads": "2",
        "kbps": "3.50",
        "encode fast, frames/s": "23.3",
        "encode default, frames/s": "9.0",
        "encode live, frames/s": "33.3",
        "longest live frame, ms": "60",
        "decode, torch, frames/s": "31.2",
        "decode, torch, peak MiB": "450",
        "decode, torch, first picture, s": "1.23",
        "decode, torch, longest gap, ms": "85",
        "decode live, torch, frames/s": "36.4",
        "decode live, torch, peak MiB": "420",
        "decode live, torch, first picture, s": "0.98",
        "decode live, torch, longest gap, ms": "40",
        "x264 medium encode, frames/s": "260",
    }
