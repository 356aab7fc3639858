"""The encode spine: a video file in, an .imf stream out."""

from __future__ import annotations

import math
import shutil
import time
from collections.abc import Iterable, Iterator
from contextlib import ExitStack
from functools import partial
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import BinaryIO

from imfcodec import weights
from imfcodec.bitstream import ColourTags
from imfcodec.codec.stages import Progress, StageTimes
from imfcodec.config import EncodeOptions
from imfcodec.media import AudioPacketOut, MediaReader, PictureFrame, check_files, writing
from imfcodec.media.timing import exact
from imfcodec.sender.encoder import Encoder, check_target, open_target
from imfcodec.sender.live_source import LiveSource
from imfcodec.sender.report import EncodeReport
from imfcodec.sender.target import Pass, check_source, excess_of, meet_target, taken
from imfcodec.weights import Weights

MUCH = math.log(1.05)
"""Largest excess of a rate that is met in one pass."""


def encode(
    source: str | Path | BinaryIO,
    target: str | Path | BinaryIO,
    options: EncodeOptions | None = None,
    progress: Progress | None = None,
    loaded: Weights | None = None,
) -> EncodeReport:
    """Encode a video into a stream.

    Args:
        source: Path, "-" for standard input, or a binary file object.
        target: Path, "-" for standard output, or a binary file object.
        options: See `EncodeOptions`.
        progress: As for `Encoder`.
        loaded: Weights to use instead of those that the options name.

    Raises:
        ImfcodecError: One class per cause. The target file is then neither created nor changed.
    """
    options = options or EncodeOptions()
    begun = time.perf_counter()
    check_target(target, options.format)
    check_files(source, target, overwrite=options.overwrite)
    if options.has_target:
        check_source(source)
        loaded = loaded or weights.load_weights(
            options.weights, options.preset_name
        )  # once for all passes
    one_pass = partial(_encode, source, loaded)
    if options.has_target:
        report = _encode_to_target(one_pass, target, options, progress)
    else:
        report = one_pass(target, options, progress)
    report.wall_s = time.perf_counter() - begun
    return report


def _encode_to_target(
    one_pass: Pass,
    target: str | Path | BinaryIO,
    options: EncodeOptions,
    progress: Progress | None,
) -> EncodeReport:
    """Encode into temporary files until the rate or the size is met."""
    with writing("output"), ExitStack() as stack:
        file = open_target(target, options.overwrite, stack)
        folder = Path(stack.enter_context(TemporaryDirectory(prefix="imfcodec-")))
        path, report = meet_target(one_pass, options, folder, progress)
        with path.open("rb") as stream:
            shutil.copyfileobj(stream, file)
            file.flush()
    return report


def _encode(
    source: str | Path | BinaryIO,
    loaded: Weights | None,
    target: str | Path | BinaryIO,
    options: EncodeOptions,
    progress: Progress | None,
    tokens: bool = True,
) -> EncodeReport:
    with ExitStack() as stack:
        reader = MediaReader(
            source,
            audio=options.audio,
            audio_bitrate=options.audio_bitrate,
            begin_s=exact(options.begin_s),
            end_s=None if options.end_s is None else exact(options.end_s),
        )
        live = None
        if options.effort.latency == "low" and not reader.is_seekable:
            live = LiveSource(reader)
            stack.callback(live.stop)
        else:
            stack.enter_context(reader)
        info, colour = reader.info, reader.info.colour
        encoder = Encoder(
            target,
            width=info.width,
            height=info.height,
            fps=1 / (info.nominal_duration * info.time_base),
            options=options,
            time_base=info.time_base,
            sample_aspect_ratio=info.sample_aspect_ratio,
            colour=ColourTags(
                int(colour.matrix), int(colour.transfer), int(colour.primaries), colour.full_range
            ),
            audio=reader.audio_parameters,
            progress=progress,
            loaded=loaded,
            tokens=tokens,
        )
        with encoder:
            for event in _timed(live or reader.events(), encoder.stages):
                if isinstance(event, AudioPacketOut):
                    encoder.write_audio(event)
                else:
                    encoder.write(event.rgb, event.pts, event.duration)
            report = encoder.close()
    report.warnings = reader.warnings
    if live and live.dropped:
        report.warnings.append(f"{live.dropped} frames were dropped to keep up with the source")
    if options.bitrate and excess_of(report, options) > MUCH:
        report.warnings.append(f"the stream takes {taken(report, options)}")
    return report


def _timed(
    events: Iterable[PictureFrame | AudioPacketOut], stages: StageTimes
) -> Iterator[PictureFrame | AudioPacketOut]:
    iterator = iter(events)
    while True:
        begin = time.perf_counter()
        event = next(iterator, None)
        stages.add("read", time.perf_counter() - begin)
        if event is None:
            return
        yield event
