"""The codecs of others and their options; each codes one key frame per clip."""

from __future__ import annotations

from imfcodec.bench.codecs.anchor import QUALITY
from imfcodec.bench.codecs.ffmpeg import FfmpegAnchor
from imfcodec.bench.codecs.pyav import PyAvAnchor
from imfcodec.bench.codecs.sampling import AS_IT_IS, Sampling

# libvpx and libaom add no key frame of their own where shortest and longest interval are equal.
_ONE_KEY_FRAME = (("g", "1000000"), ("keyint_min", "1000000"))


def svtav1(
    threads: int = 1, sampling: Sampling = AS_IT_IS, preset: int = 2, low_delay: bool = False
) -> PyAvAnchor:
    """SVT-AV1.

    Args:
        threads: Of the encoder.
        sampling: Size and frame rate that are coded.
        preset: 0 (slowest) to 13.
        low_delay: No picture depends on a later one.
    """
    mode, structure = ("ld", "low delay") if low_delay else ("ra", "random access")
    # 70 is the highest. Random access at full size and rate costs the most bits at each of them.
    costly = sampling == AS_IT_IS and not low_delay
    # Libav's own crf ends at 63, so that everything goes through SVT-AV1's parameters.
    parameters = f"crf={QUALITY}:keyint=-1:pred-struct={1 if low_delay else 2}:lp={threads}"
    return PyAvAnchor(
        f"svtav1-{mode}-p{preset}",
        f"SVT-AV1 preset {preset}, {structure}",
        _ladder("crf", *((70, 66, 62, 57, 51) if costly else (70, 66, 61, 55, 48))),
        "libsvtav1",
        "ivf",
        (("preset", str(preset)), ("svtav1-params", parameters)),
        threads,
        sampling,
    )


def x264(threads: int = 1, sampling: Sampling = AS_IT_IS, preset: str = "veryslow") -> PyAvAnchor:
    """AVC, usually at x264's slowest sensible preset; 51 is the highest factor."""
    parameters = f"keyint=infinite:scenecut=0:threads={threads}"
    return PyAvAnchor(
        f"x264-{preset}",
        f"x264 {preset}",
        _ladder("crf", 51, 45, 39, 33),
        "libx264",
        "h264",
        (("preset", preset), ("crf", QUALITY), ("x264-params", parameters)),
        threads,
        sampling,
    )


def x265(threads: int = 1, sampling: Sampling = AS_IT_IS) -> PyAvAnchor:
    """HEVC at x265's slowest sensible preset; 51 is the highest factor."""
    # info=0: no message with the encoder's settings
    quiet = "keyint=-1:scenecut=0:info=0:log-level=none"
    parameters = f"{quiet}:pools={threads}:frame-threads=1"
    return PyAvAnchor(
        "x265-veryslow",
        "x265 veryslow",
        _ladder("crf", 51, 46, 41, 36),
        "libx265",
        "hevc",
        (("preset", "veryslow"), ("crf", QUALITY), ("x265-params", parameters)),
        threads,
        sampling,
    )


def vp9(threads: int = 1, sampling: Sampling = AS_IT_IS) -> PyAvAnchor:
    """VP9 through libvpx, one pass of constant quality; 63 is the highest factor."""
    return PyAvAnchor(
        "vp9-cpu1",
        "VP9 cpu-used 1",
        _ladder("crf", 63, 58, 52, 45),
        "libvpx-vp9",
        "ivf",
        (
            ("crf", QUALITY),
            ("b", "0"),
            ("deadline", "good"),
            ("cpu-used", "1"),
            ("lag-in-frames", "25"),
            ("auto-alt-ref", "1"),
            *_ONE_KEY_FRAME,
            ("threads", str(threads)),
        ),
        threads,
        sampling,
    )


def libaom(threads: int = 1, sampling: Sampling = AS_IT_IS) -> FfmpegAnchor:
    """AV1 through libaom, one pass of constant quality; 63 is the highest factor."""
    return FfmpegAnchor(
        "libaom-cpu1",
        "libaom cpu-used 1",
        _ladder("crf", 63, 59, 54, 47),
        "libaom-av1",
        "obu",
        (
            ("crf", QUALITY),
            ("b:v", "0"),
            ("cpu-used", "1"),
            ("lag-in-frames", "35"),
            ("auto-alt-ref", "1"),
            *_ONE_KEY_FRAME,
        ),
        threads,
        sampling,
        decoder="libdav1d",
        ending="obu",
        pix_fmt="yuv420p",
    )


def vvc(threads: int = 1, sampling: Sampling = AS_IT_IS, preset: str = "medium") -> FfmpegAnchor:
    """VVC through VVenC, random access, read back by ffmpeg's own decoder; 63 is the highest QP."""
    return FfmpegAnchor(
        f"vvc-{preset}",
        f"VVenC {preset}",
        _ladder("qp", 58, 51, 44, 37),
        "libvvenc",
        "vvc",
        (
            ("preset", preset),
            ("qp", QUALITY),
            ("vvenc-params", "AccessUnitDelimiter=0:IntraPeriod=-1"),
        ),
        threads,
        sampling,
        decoder="vvc",
        ending="266",
        pix_fmt="yuv420p10le",
    )


def _ladder(kind: str, *values: int) -> tuple[str, ...]:
    return tuple(f"{kind}{value}" for value in values)
