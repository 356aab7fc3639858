from __future__ import annotations

import json
from pathlib import Path

import pytest

from imfcodec.bench.results import METRICS, REGIONS
from imfcodec.cli.compare import compare

from .conftest import FRAMES, Invoke, write_clip

PLAIN = ("--metrics", "psnr_rgb_db,motion_error")


@pytest.fixture(autouse=True)
def offline(monkeypatch: pytest.MonkeyPatch) -> None:
    """No download of networks, and no recogniser of this machine's."""

    def refuse(*args: object, **options: object) -> None:
        raise OSError("no network in tests")

    monkeypatch.setattr("torch.hub.download_url_to_file", refuse)
    monkeypatch.delenv("IMFCODEC_RECOGNISER", raising=False)


@pytest.fixture
def other(tmp_path: Path) -> Path:
    """Two frames longer than `clip`."""
    return write_clip(tmp_path / "other.mkv", FRAMES + 2)


def test_a_video_with_itself(invoke: Invoke, clip: Path) -> None:
    result = invoke("compare", clip, clip, *PLAIN)
    assert (result.exit_code, result.stderr) == (0, "")
    lines = [line.split() for line in result.stdout.splitlines()]
    assert lines[0][:2] == ["metric", "mean"]
    assert lines[1] == ["PSNR-RGB", "(dB)", "100.0000", "100.0000", "0", "higher"]
    assert lines[2][-4:] == ["0.0000", "-", "-", "lower"]
    assert len(lines) == 3


def test_json(invoke: Invoke, clip: Path) -> None:
    record = json.loads(invoke("compare", clip, clip, *PLAIN, "--json").stdout)
    assert record["frames"] == FRAMES
    assert record["scores"] == {
        "psnr_rgb_db": {"mean": 100, "worst": 100, "worst_frame": 0},
        "motion_error": {"mean": 0, "worst": None, "worst_frame": None},
    }
    assert record["missing"] == {}


def test_what_cannot_be_measured_is_named(invoke: Invoke, clip: Path) -> None:
    result = invoke("compare", clip, clip, "--json")
    record = json.loads(result.stdout)
    assert "no face recogniser" in record["missing"]["identity"]
    assert record["scores"].keys().isdisjoint(record["missing"])
    warnings = invoke("compare", clip, clip).stderr.splitlines()
    (recogniser,) = [line for line in warnings if "no face recogniser" in line]
    assert "identity" in recogniser
    lpips = [line for line in warnings if "lpips_alex" in line]
    assert len(lpips) == 1  # one reason is said once, for the whole picture, eyes and mouth
    assert "left out" not in invoke("compare", clip, clip, "-q").stderr


def test_different_lengths(invoke: Invoke, clip: Path, other: Path) -> None:
    result = invoke("compare", clip, other, *PLAIN)
    assert result.exit_code == 6
    assert f"{FRAMES + 2} frames" in result.stderr
    assert result.stdout == ""


def test_different_sizes(invoke: Invoke, clip: Path, tmp_path: Path) -> None:
    import av

    small = tmp_path / "small.mkv"
    with av.open(str(clip)) as source, av.open(str(small), "w") as container:
        stream = container.add_stream("libx264", rate=25)
        stream.width, stream.height, stream.pix_fmt = 32, 48, "yuv420p"
        for frame in source.decode(video=0):
            container.mux(stream.encode(frame.reformat(32, 48)))
        container.mux(stream.encode())
    result = invoke("compare", clip, small, *PLAIN)
    assert result.exit_code == 6
    assert "32x48" in result.stderr
    assert "64x64" in result.stderr
    assert invoke("compare", clip, clip, *PLAIN, "--lines", 8).exit_code == 2


@pytest.mark.parametrize(
    ("words", "code", "message"),
    [
        (("--metrics", "psnr_rgb_db,beauty"), 2, "no metric beauty; there are lpips_alex"),
        (("--metrics", "identity"), 2, "no face recogniser"),
    ],
)
def test_metrics_that_cannot_be_had(
    invoke: Invoke, clip: Path, words: tuple[str, ...], code: int, message: str
) -> None:
    result = invoke("compare", clip, clip, *words)
    assert result.exit_code == code
    assert message in " ".join(result.stderr.split())


def test_a_missing_file(invoke: Invoke, clip: Path, tmp_path: Path) -> None:
    assert invoke("compare", clip, tmp_path / "absent.mp4", *PLAIN).exit_code == 3


def test_help_names_every_metric() -> None:
    text = compare.help or ""
    for metric in METRICS:
        if not metric.name.startswith(REGIONS):
            assert metric.name in text
    assert "face_lpips_alex" in text
