"""`imfcodec bench`: rate-distortion curves of this codec and of others."""

from __future__ import annotations

import os
import shlex
import sys
import tempfile
from contextlib import ExitStack
from dataclasses import asdict, dataclass
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from imfcodec.bench.score_options import ScoreOptions
from imfcodec.cli.bench_tables import means_tables, real_time_table, savings_table, speed_tables
from imfcodec.cli.compare import scoring_options
from imfcodec.cli.options import (
    PATH,
    is_quiet,
    json_option,
    names,
    options_of,
    quiet_option,
    shows_progress,
    take,
    wants_json,
)
from imfcodec.cli.output import (
    left_out,
    make_folder,
    show_columns,
    show_json,
    show_lines,
    show_rows,
    show_warnings,
)
from imfcodec.cli.progress import job_progress
from imfcodec.cli.text import path_text, plural
from imfcodec.errors import ImfcodecError, InputUnreadable, OptionError, OutputExists

if TYPE_CHECKING:
    from imfcodec.bench.results import Results
    from imfcodec.bench.runner import Execute, Plan
    from imfcodec.bench.speed import SpeedResult
    from imfcodec.bench.summary import FamilyBdRate

_FOLDER = click.Path(file_okay=False, path_type=Path)
_SHOWN_FAILURES = 5

MAX_REAL_TIME_THREADS = 2
"""Real time on two cores is what the codec is made for."""


def _cores() -> int:
    # The process may be confined to fewer cores than the machine has.
    return len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1


@dataclass(frozen=True)
class BenchOptions:
    """Options of `bench`.

    Attributes:
        out: Folder for results and report; created if it is missing. Required, except with
            `speed`.
        clips_from: Take clips from the column clip of this file; they lie in or below its folder.
        split: Take only rows of `clips_from` with this value in the column split.
        limit: Use only the first N clips.
        codecs: Codecs, families or patterns, for example imf,x265. Default: a short selection.
        weights: Weights of the network; repeat for more. Each preset with each of them is a curve.
            Default: as `imfcodec weights list` shows for each preset.
        jobs: Jobs that run at the same time, one thread each. Default: one per core.
        ray: Run the jobs on the Ray cluster at ADDRESS, not locally.
        cache: Folder that keeps measured points. Default: imfcodec/bench in the user's cache
            folder.
        points_from: Reuse points of an earlier run, from its results.json; repeat for more.
        no_cache: Neither read nor write the cache.
        speed: Also time encoding and decoding of the first clip on this machine, with two anchors.
            Without `out`, do nothing but show whether this machine codes the clips in real time.
        overwrite: Replace existing output.
    """

    out: Path | None = None
    clips_from: Path | None = None
    split: str | None = None
    limit: int | None = None
    codecs: tuple[str, ...] | None = None
    weights: tuple[str, ...] = ()
    jobs: int = 1
    ray: str | None = None
    cache: Path | None = None
    points_from: tuple[Path, ...] = ()
    no_cache: bool = False
    speed: bool = False
    overwrite: bool = False


@click.command(short_help="Measure rate-distortion curves of this codec and of others.")
@click.argument("clips", metavar="[CLIPS]...", nargs=-1, type=PATH)
@options_of(
    BenchOptions,
    out={"type": _FOLDER, "metavar": "DIR"},
    clips_from={"metavar": "CSV"},
    limit={"type": click.IntRange(1), "metavar": "N"},
    codecs={"type": names, "metavar": "NAME,..."},
    weights={"metavar": "NAME|ID|PATH"},
    jobs={"type": click.IntRange(1), "default": _cores, "show_default": False, "metavar": "N"},
    ray={"metavar": "ADDRESS"},
    cache={"type": _FOLDER, "metavar": "DIR"},
    points_from={"metavar": "RESULTS"},
)
@scoring_options
@json_option
@quiet_option
def bench(clips: tuple[Path, ...], **words: Any) -> None:
    """Code CLIPS, files and folders, with several codecs and report rate against quality.

    Every clip is coded at every setting of every codec, decoded from the written file, and
    scored frame by frame. DIR/results.json holds all points with machine, commit and versions;
    DIR/index.html shows them. With --lines, the other codecs code the reduced pictures.

    A clip that cannot be measured and a job that fails stay in the results as failed; they are
    counted beside each mean. Results are cached: a stopped run continues when it is started
    again, and a run with more metrics measures only the new ones. Coding times are measured
    while --jobs jobs run at the same time.

    With --points-from, a point is taken from an earlier run, possibly of another machine, if
    measuring it here would give the same: the clip's bytes, the setting, and the digests of codec
    and metric must agree. If the file holds no digests, the codec's version and options and the
    releases of the libraries that code, decode and measure are compared instead; a code change
    within one release goes unnoticed, and scores of face, eyes, mouth and identity are not taken.
    Reused points are marked "from" in the results. A metric that they lack stays unmeasured. Only
    those of their clips that the page shows are coded again.
    """
    options, scoring = take(BenchOptions, words), ScoreOptions(**words)
    out = options.out
    if out is None:
        _show_real_time(clips, options)
        return
    _check(clips, options, out)
    from imfcodec.bench.cache import Cache, default_cache_folder
    from imfcodec.bench.clips import find_clips, open_clips, read_manifest
    from imfcodec.bench.codecs.lineup import lineup
    from imfcodec.bench.earlier import Earlier
    from imfcodec.bench.report.gallery import Kept
    from imfcodec.bench.runner import Plan, Run
    from imfcodec.bench.summary import lacking, means

    paths = find_clips(clips) if clips else []
    if options.clips_from is not None:
        paths += read_manifest(options.clips_from, options.split)
    coders = lineup(options.codecs, weights=options.weights or (None,))
    earlier = Earlier.load(options.points_from)
    cache = options.cache
    command = shlex.join(["imfcodec", *sys.argv[1:]])
    with ExitStack() as stack:
        if options.no_cache:
            # The report needs the coded clips until it is written.
            temporary = tempfile.TemporaryDirectory(prefix="imfcodec-bench-")
            cache = Path(stack.enter_context(temporary))
        store = Cache(cache or default_cache_folder())
        usable, unusable = open_clips(paths[: options.limit], store.memo, scoring.lines)
        plan = Plan(usable, coders, scoring, unusable, earlier)
        run = Run(plan, store, _executor(options))
        kept = Kept(store.memo, run.identity)
        try:
            with job_progress("bench") as advance:
                run.measure(advance)
        except BaseException:  # Ctrl-C, a full disk, a bug: keep what was measured
            _write(run.results(command), out, kept=kept)
            if not is_quiet():
                show_warnings([f"stopped; the points measured so far are in {path_text(str(out))}"])
            raise
        results = run.results(command)
        _say("report: curves and pictures")
        files = _write(results, out, pictures=run.pictures, kept=kept)
        timed = untimed = None
        if options.speed:
            try:
                timed = _time(usable[0].path, options.weights)
                files = _write(results, out, pictures=run.pictures, kept=kept, speed=timed)
            except ImfcodecError as error:
                untimed = error  # raised after the results have been printed
    rows = means(results)
    savings = _savings(results)
    if wants_json():
        show_json(
            {
                "out": str(out),
                "files": [str(file) for file in files],
                "points": len(results.points),
                "from_cache": run.from_cache,
                "from_earlier": run.from_earlier,
                "lacking": lacking(results),
                "failed": [asdict(point) for point in results.points if point.error is not None],
                "codecs_missing": {c.name: c.missing for c in results.codecs if c.missing},
                "metrics_missing": dict(results.metrics_missing),
                "means": [asdict(row) for row in rows],
                "bd_rates": [asdict(row) for row in savings],
                "speed": timed and asdict(timed),
            }
        )
    elif not is_quiet():
        tables = [*means_tables(rows, by_name=scoring.metrics is not None)]
        tables += [savings_table(savings)] if savings else []
        tables += speed_tables(timed) if timed else ()
        show_columns(*tables)
        failed = sum(point.error is not None for point in results.points)
        points = f"{len(results.points)}, {run.from_cache} from the cache, "
        if options.points_from:
            points += f"{run.from_earlier} from earlier runs, "
        points += f"{failed} failed"
        show_lines([""])
        show_rows([("points", points), ("report", path_text(str(out / "index.html")))])
        _warn(results, plan)
    if untimed is not None:
        raise untimed
    if not any(row.clips for row in rows):
        raise ImfcodecError(f"every job failed; the first error: {results.points[0].error}")


def _show_real_time(clips: tuple[Path, ...], options: BenchOptions) -> None:
    """Measure and show whether the clips are coded in real time."""
    if not options.speed:
        raise OptionError("name a folder for the results: --out DIR")
    if not clips:
        raise OptionError("no clips given: --speed without --out needs files")
    from imfcodec.bench.environment import machine
    from imfcodec.bench.speed import measure_real_time

    rows = measure_real_time(
        clips[: options.limit],
        weights=options.weights[0] if options.weights else None,
        threads=min(_cores(), MAX_REAL_TIME_THREADS),
        progress=lambda what: _say(f"speed: {what}"),
    )
    if wants_json():
        show_json({"machine": machine(), "real_time": [asdict(row) for row in rows]})
    elif not is_quiet():
        show_columns(real_time_table(rows))
        show_lines(["", machine()])


def _check(clips: tuple[Path, ...], options: BenchOptions, out: Path) -> None:
    """Refuse options that cannot work, before anything is measured."""
    if not clips and options.clips_from is None:
        raise OptionError("no clips given: name files or folders, or use --clips-from")
    if options.split is not None and options.clips_from is None:
        raise OptionError("--split needs --clips-from")
    if options.cache is not None and options.no_cache:
        raise OptionError("--cache and --no-cache exclude each other")
    results = out / "results.json"
    if results.exists() and not options.overwrite and not _stopped(results):
        raise OutputExists(f"{results} exists already; use --overwrite to replace it")
    make_folder(out)


def _stopped(path: Path) -> bool:
    """Whether these are the results of a stopped run, which a continued run replaces."""
    from imfcodec.bench.results import Results
    from imfcodec.bench.runner import NOT_MEASURED

    try:
        return any(point.error == NOT_MEASURED for point in Results.load(path).points)
    except InputUnreadable:
        return False


def _executor(options: BenchOptions) -> Execute:
    if options.ray is not None:
        from imfcodec.bench.cluster import run_on_ray

        return partial(run_on_ray, address=options.ray)
    from imfcodec.bench.local import run_locally

    return partial(run_locally, workers=options.jobs)


def _say(what: str) -> None:
    """Print what the command is doing, if stderr is a terminal."""
    if shows_progress():
        click.echo(what, err=True)


def _time(clip: Path, weights: tuple[str, ...]) -> SpeedResult:
    """Speed with one thread and with all cores, measured after everything else."""
    from imfcodec.bench.speed import measure_speed
    from imfcodec.config import MAX_THREADS

    threads = sorted({1, min(_cores(), MAX_THREADS)})
    return measure_speed(
        clip,
        weights=weights[0] if weights else None,
        threads=threads,
        progress=lambda what: _say(f"speed: {what}"),
    )


def _write(results: Results, out: Path, **parts: Any) -> list[Path]:
    """Write results and report; without ``pictures``, which take a while, if none are given."""
    from imfcodec.bench.report import write_report
    from imfcodec.media.failures import writing

    with writing(str(out)):
        return write_report(results, out, **parts)


def _savings(results: Results) -> list[FamilyBdRate]:
    """BD-rates by the first measured metric of the list, and by PSNR-RGB."""
    from imfcodec.bench.results import METRICS
    from imfcodec.bench.summary import bd_rates

    held = {name for point in results.points for name in point.scores}
    measured = [metric.name for metric in METRICS if metric.name in held]
    chosen = dict.fromkeys([*measured[:1], *(m for m in measured if m == "psnr_rgb_db")])
    return [row for metric in chosen for row in bd_rates(results, metric)]


def _warn(results: Results, plan: Plan) -> None:
    from imfcodec.bench.summary import lacking

    show_warnings(f"left out: {clip.error}" for clip in plan.unusable)
    show_warnings(f"{c.name} left out: {c.missing}" for c in results.codecs if c.missing)
    show_warnings(left_out(results.metrics_missing))
    show_warnings(
        f"{plural(count, 'point')} of earlier runs not reused: {why}"
        for why, count in plan.earlier.refused.items()
    )
    show_warnings(
        f"{name}: {plural(count, 'point')} of earlier runs lack it"
        for name, count in lacking(results).items()
    )
    unusable = {clip.name for clip in plan.unusable}
    failed = [p for p in results.points if p.error is not None and p.clip not in unusable]
    show_warnings(f"{p.clip}, {p.codec} {p.setting}: {p.error}" for p in failed[:_SHOWN_FAILURES])
    if len(failed) > _SHOWN_FAILURES:
        show_warnings([f"{plural(len(failed), 'job')} failed in all; see the report"])
