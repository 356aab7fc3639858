"""One line of figures per clip, from real .imf files: `python -m imfcodec.bench.clip_table`.

Every frame counts: LPIPS, SSIM, PSNR-RGB and motion error of the decoded stream and, as the
floor, of its decoded key frame held still.
"""

from __future__ import annotations

import dataclasses
import json
import multiprocessing
import platform
import tempfile
import time
from collections.abc import Iterator
from concurrent.futures import ProcessPoolExecutor
from dataclasses import dataclass
from functools import cache
from itertools import repeat
from pathlib import Path

import click
import numpy as np
import numpy.typing as npt
import torch
from rich.console import Console
from rich.table import Table

import imfcodec
from imfcodec.config import EncodeOptions
from imfcodec.metrics.fidelity import psnr_rgb_db
from imfcodec.metrics.motion import MotionError
from imfcodec.metrics.perceptual import load_lpips
from imfcodec.metrics.structure import ssim
from imfcodec.receiver import Decoder
from imfcodec.receiver.reconstruction import to_tensor
from imfcodec.sender import encode
from imfcodec.video import AudioMode, MediaReader, MediaWriter

Picture = npt.NDArray[np.uint8]
NETS = ("alex", "squeeze")


@dataclass(frozen=True)
class Quality:
    """Means over all frames of a clip; ``motion_error`` is None where nothing moves."""

    lpips_alex: float | None
    lpips_squeeze: float | None
    ssim: float
    psnr_rgb_db: float
    motion_error: float | None


@dataclass(frozen=True)
class ClipResult:
    """Figures of one clip; sizes in bytes, speeds in frames per second of the whole command."""

    clip: str
    frames: int
    duration_s: float
    rate_kbps: float
    key_frames: int
    key_bytes: int
    token_bytes: int
    container_bytes: int
    token_bits_per_frame: float
    encode_fps: float
    decode_fps: float
    network_fps: float
    decoded: Quality
    frozen: Quality


class _Meter:
    """Accumulates a `Quality` frame by frame."""

    def __init__(self, nets: dict[str, torch.nn.Module]) -> None:
        self._nets = nets
        self._sums: dict[str, list[float]] = {"psnr": [], "ssim": [], **{n: [] for n in nets}}
        self._motion = MotionError()

    @torch.inference_mode()
    def add(self, source: Picture, coded: Picture) -> None:
        self._sums["psnr"].append(psnr_rgb_db(source, coded))
        self._sums["ssim"].append(ssim(source, coded))
        for name, net in self._nets.items():
            x, y = (to_tensor(p[None]) * 2 - 1 for p in (source, coded))
            self._sums[name].append(float(net(x, y)))
        self._motion.add(source, coded)

    def quality(self) -> Quality:
        means = {k: float(np.mean(v)) for k, v in self._sums.items()}
        return Quality(
            means.get("alex"),
            means.get("squeeze"),
            means["ssim"],
            means["psnr"],
            self._motion.value(),
        )


def measure(clip: Path, options: EncodeOptions, names: tuple[str, ...]) -> ClipResult:
    """Encode and decode a clip and compare every frame at its display size.

    Args:
        clip: The video.
        options: How to encode it.
        names: LPIPS backbones to measure with, out of `NETS`.
    """
    nets = _nets(names)
    with tempfile.TemporaryDirectory() as folder:
        stream = Path(folder) / "clip.imf"
        report = encode(clip, stream, options)
        ours, still = _Meter(nets), _Meter(nets)
        frozen: Picture | None = None
        decode_s = 0.0
        with stream.open("rb") as file:
            # Read, decode and write as `imfcodec decode` does, the clock stopped while measuring.
            begun = time.perf_counter()
            decoder = Decoder(file)
            base = decoder.header.time_base
            with MediaWriter(
                Path(folder) / "clip.mp4",
                width=decoder.geometry.display[0],
                height=decoder.geometry.display[1],
                time_base=base,
                rate=1 / (decoder.header.nominal_duration * base),
            ) as writer:
                frames = iter(decoder)
                for source in _pictures(clip):
                    frame = next(frames)
                    writer.write(frame.pts, frame.rgb)
                    decode_s += time.perf_counter() - begun
                    frozen = frame.rgb if frozen is None else frozen
                    ours.add(source, frame.rgb)
                    still.add(source, frozen)
                    begun = time.perf_counter()
        decoded = decoder.report
    return ClipResult(
        clip.stem,
        report.frames,
        report.duration_s,
        report.rate_kbps,
        report.key_frames,
        report.sizes.key_bytes,
        report.sizes.token_bytes,
        report.sizes.container_bytes,
        report.token_bits_per_frame,
        report.fps,
        decoded.frames / decode_s,
        1000 * decoded.frames / decoded.stages.milliseconds["network"],
        ours.quality(),
        still.quality(),
    )


@cache
def _nets(names: tuple[str, ...]) -> dict[str, torch.nn.Module]:
    return {name: load_lpips(name) for name in names}


def _pictures(clip: Path) -> Iterator[Picture]:
    with MediaReader(clip, audio=AudioMode.NONE) as reader:
        yield from (frame.rgb for frame in reader.pictures())


def anchor_fps(clip: Path) -> float:
    """Speed of decoding and re-encoding the clip with x264 as `decode` would: the anchor."""
    with tempfile.TemporaryDirectory() as folder, MediaReader(clip, audio="none") as reader:
        begun, frames = time.perf_counter(), 0
        info = reader.info
        with MediaWriter(
            Path(folder) / "anchor.mkv",
            width=info.width,
            height=info.height,
            time_base=info.time_base,
            rate=info.average_rate,
        ) as writer:
            for frame in reader.pictures():
                writer.write(frame.pts, frame.rgb)
                frames += 1
        return frames / (time.perf_counter() - begun)


@click.command()
@click.argument("clips", nargs=-1, required=True, type=click.Path(path_type=Path, exists=True))
@click.option("--out", type=click.Path(path_type=Path), help="Write the results here as JSON.")
@click.option("--weights", help="Weights by name, id or path; the default ones otherwise.")
@click.option("--quantiser", default=EncodeOptions.quantiser, help="Global quantiser level.")
@click.option("--key-crf", default=EncodeOptions.key_crf, help="AV1 quality of key frames.")
@click.option("--lpips/--no-lpips", default=True, help="Measure LPIPS too.")
@click.option(
    "--net",
    "chosen",
    type=click.Choice(NETS),
    multiple=True,
    default=NETS,
    help="LPIPS backbone; repeat for both.",
)
@click.option("--threads", default=2, help="Torch threads of each process.")
@click.option("--jobs", default=1, help="Clips measured at the same time; 1 for honest speeds.")
def main(
    clips: tuple[Path, ...],
    out: Path | None,
    weights: str | None,
    quantiser: int,
    key_crf: int,
    lpips: bool,
    chosen: tuple[str, ...],
    threads: int,
    jobs: int,
) -> None:
    """Measure CLIPS and print a table."""
    options = EncodeOptions(
        weights=weights, quantiser=quantiser, key_crf=key_crf, audio="none", threads=threads
    )
    nets = chosen if lpips else ()
    log = Console(stderr=True)
    results = []
    # Spawned, not forked: torch's threads do not survive a fork.
    with ProcessPoolExecutor(jobs, multiprocessing.get_context("spawn")) as pool:
        for result in pool.map(measure, clips, repeat(options), repeat(nets)):
            results.append(result)
            log.print(f"{result.clip}: {result.rate_kbps:.2f} kbps")
    anchor = anchor_fps(clips[0])
    Console(width=150).print(_table(results))
    Console().print(f"x264 anchor in the same run: {anchor:.0f} fps")
    if out:
        record = {
            "command": "python -m imfcodec.bench.clip_table",
            "options": dataclasses.asdict(options),
            "machine": f"{platform.machine()}, {jobs} jobs of {threads} threads",
            "versions": {"imfcodec": imfcodec.__version__, "torch": torch.__version__},
            "x264_anchor_fps": anchor,
            "clips": [dataclasses.asdict(r) for r in results],
        }
        out.parent.mkdir(parents=True, exist_ok=True)
        out.write_text(json.dumps(record, indent=1) + "\n")


def _table(results: list[ClipResult]) -> Table:
    table = Table("clip", "kbps", "key B", "token B", "other B", "bit/frame", "enc fps", "dec fps")
    for name in ("LPIPS", "SSIM", "PSNR", "motion"):
        table.add_column(f"{name} (frozen)")
    for r in results:
        table.add_row(
            r.clip,
            f"{r.rate_kbps:.2f}",
            str(r.key_bytes),
            str(r.token_bytes),
            str(r.container_bytes),
            f"{r.token_bits_per_frame:.1f}",
            f"{r.encode_fps:.0f}",
            f"{r.decode_fps:.0f}",
            *_pairs(r.decoded, r.frozen),
        )
    table.add_section()
    mean = [float(np.mean([getattr(r, f) for r in results])) for f in _MEANS]
    table.add_row(
        "mean",
        *(f"{v:.{d}f}" for v, d in zip(mean, (2, 0, 0, 0, 1, 0, 0), strict=True)),
        *_pairs(_mean([r.decoded for r in results]), _mean([r.frozen for r in results])),
    )
    return table


_MEANS = (
    "rate_kbps",
    "key_bytes",
    "token_bytes",
    "container_bytes",
    "token_bits_per_frame",
    "encode_fps",
    "decode_fps",
)


def _mean(qualities: list[Quality]) -> Quality:
    def over(name: str) -> float:
        values = [v for q in qualities if (v := getattr(q, name)) is not None]
        return float(np.mean(values)) if values else float("nan")

    return Quality(*(over(f.name) for f in dataclasses.fields(Quality)))


def _pairs(ours: Quality, frozen: Quality) -> Iterator[str]:
    for name, digits in (("lpips_alex", 3), ("ssim", 3), ("psnr_rgb_db", 2), ("motion_error", 2)):
        a, b = getattr(ours, name), getattr(frozen, name)
        yield "-" if a is None or b is None else f"{a:.{digits}f} ({b:.{digits}f})"


if __name__ == "__main__":
    main()
