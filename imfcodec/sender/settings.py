"""From the user's options to a planner and a segment coder: the only place that knows modes."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import CancelledError, ThreadPoolExecutor
from contextlib import contextmanager
from dataclasses import replace
from fractions import Fraction
from functools import partial
from typing import Final, NamedTuple

import torch

from imfcodec.arrays import Picture
from imfcodec.bitstream import KEY_CODEC_AV1, Window
from imfcodec.codec.network.in_torch import TorchNetwork, placed
from imfcodec.codec.pictures import PICTURE_CODECS
from imfcodec.codec.stages import StageTimes
from imfcodec.codec.threads import set_own_threads
from imfcodec.config import NO_LIMIT_S, EncodeOptions
from imfcodec.media.geometry import CodingGeometry
from imfcodec.sender.analysis import Analyst
from imfcodec.sender.face_emphasis import FaceEmphasis
from imfcodec.sender.judge import Judge
from imfcodec.sender.key_coder import KeyCoder
from imfcodec.sender.key_sizer import KeySizer
from imfcodec.sender.latent_tokens import LatentTokens
from imfcodec.sender.layer import Layer
from imfcodec.sender.layout.better_of import BetterOf, Way
from imfcodec.sender.layout.layout import Layout, Stretch
from imfcodec.sender.layout.placing import PlacedFrame, WindowPlacer
from imfcodec.sender.layout.whole import Whole
from imfcodec.sender.layout.windowed import Windowed
from imfcodec.sender.monitor import Monitor, Watcher
from imfcodec.sender.planning.greedy import GreedyPlanner
from imfcodec.sender.planning.key_schedule import KeySchedule
from imfcodec.sender.planning.keyframe_policy import KeyframePolicy
from imfcodec.sender.planning.live import LivePlanner
from imfcodec.sender.planning.planned import PlannedPlanner
from imfcodec.sender.planning.planner import Planner, Watch
from imfcodec.sender.planning.shots import ShotDetector
from imfcodec.sender.rate import (
    ConstantQuality,
    RateControl,
    SegmentSettings,
    SteadyRate,
    window_settings,
    with_finer_keys,
)
from imfcodec.sender.run_coder import RunCoder
from imfcodec.sender.runs import FULL, RunSettings
from imfcodec.sender.segment import Lead, Segment
from imfcodec.sender.segment_coder import SegmentCoder, TokenSettings
from imfcodec.weights import Weights

KEY_CODEC: Final = KEY_CODEC_AV1
"""Wire id of the codec of key pictures."""

PACKET_S: Final = Fraction(3)
"""Longest duration of the frames in one token packet, in seconds."""

HOLD_S: Final = Fraction(2, 5)
"""No picture is shown longer than this, in seconds."""

CHAIN_S: Final = Fraction(1)
"""At low latency, packets of this much time are chained: a lost one costs the rest of them."""

FASTEST_PRESET: Final = 13
RUN_FASTER: Final = 1
"""Added to the SVT-AV1 preset of key pictures, for plain video: 0 instead of 1 takes 2.5 times the
time for 1 to 4 % less LPIPS (`benchmarks/experiments/plain_video.py`)."""

BASE_S, LIVE_BASE_S = Fraction(60), Fraction(20)
"""No key frame is predicted from a base of this age, in seconds: usually, and at low latency, where
packets may be lost."""


AHEAD: Final = 4
"""Segments of a layer that are begun before the packets of one are waited for. If it were the
number of threads, the stream would depend on that: sound goes between the packets as it is read."""


class Spacing(NamedTuple):
    """Times between key frames that are so many times as long, and a CRF that is so much finer."""

    longer: float
    finer: float


USUAL: Final = Spacing(1.0, 0.0)

OTHER_SPACINGS: Final = (Spacing(1.5, 4.0), Spacing(1.25, 2.0), Spacing(0.8, -2.0))
"""More key frames are coarser, so that the bytes hardly change."""


class Parts:
    """Makes the parts of a sender from the user's options.

    Attributes:
        psnr_db: PSNR-RGB of the frames that are measured, if that is wanted, in all layers.
    """

    def __init__(
        self,
        weights: Weights,
        options: EncodeOptions,
        geometry: CodingGeometry,
        time_base: Fraction,
        rate: Fraction,
        settings: Callable[[Segment], SegmentSettings],
        stages: StageTimes,
        advance: Callable[[float], None],
        plan: Callable[[float], None],
        *,
        tokens: bool,
    ) -> None:
        """Take what the parts need.

        Args:
            weights: Of the network.
            options: Of the user.
            geometry: Sizes of the picture.
            time_base: Seconds per tick.
            rate: Nominal frames per second.
            settings: The settings of the next segment.
            stages: Takes the time of each stage.
            advance: Called with how many more frames of a layer are coded.
            plan: Called with for how many more frames of a layer the key frames are planned.
            tokens: Whether the stream gets tokens; without them it is good for its size only.
        """
        self._tokens = tokens
        self._weights, self._options, self._geometry = weights, options, geometry
        self._time_base, self._frame_rate = time_base, rate
        self._settings, self._stages = settings, stages
        self._advance, self._plan = advance, plan
        self._effort = options.effort
        self._live = self._effort.latency == "low"
        self._model = placed(weights.model, options.device)
        self._quantiser = weights.tables.quantiser(options.point.quantiser)
        host = torch.get_num_threads()
        threads = options.threads or host
        # Segments are analysed side by side, a thread each. Live ones come frame by frame.
        self._workers = (
            None
            if self._live
            else ThreadPoolExecutor(threads, "imfcodec-analysis", set_own_threads, (1, host))
        )
        self._network = TorchNetwork(
            self._model, self._quantiser, options.device, threads=threads if self._live else 1
        )
        self._stopped = False
        self.psnr_db: list[float] = []

    def stop(self) -> None:
        """Give up what other threads do; they notice it within a second or two."""
        self._stopped = True
        if self._workers:
            self._workers.shutdown(wait=False, cancel_futures=True)

    def layout(self) -> Layout:
        """The layout that the options ask for."""
        options = self._options
        shots = placer = None
        if not self._live and options.scene_cut:
            shots = ShotDetector(self._time_base, hasty=False)
        if not self._live and options.layout != "whole" and self._effort.mode != "av1":
            placer = WindowPlacer(
                self._geometry.display,
                self._time_base,
                options.max_windows,
                close_ups=options.layout == "auto",
            )
        return Layout(options.max_windows if placer else 0, shots, placer, self._stretch)

    def _stretch(self, placed: PlacedFrame) -> Stretch:
        """The stretch that begins with a frame."""
        mode = self._effort.mode
        if mode == "av1" or not placed.whole:
            return Windowed(self._geometry, self._base(), self._window, self._workers)
        if mode == "imf" or self._live or not self._tokens:
            return Whole(self._geometry, self._whole(), shot=not self._live)
        spacings = (USUAL, *OTHER_SPACINGS) if self._effort.try_intervals else (USUAL,)
        return BetterOf(
            self._geometry,
            [Way(self._judge(), partial(self._whole, spacing)) for spacing in spacings],
            self._judge(),
            self._run(),
            self._stages,
            self.psnr_db,
            self._done,
            self._workers,
        )

    def _judge(self) -> Judge:
        return Judge(self._model, self._network)

    def _whole(
        self,
        spacing: Spacing = USUAL,
        watchers: Sequence[Watcher] = (),
        psnr_db: list[float] | None = None,
    ) -> Layer:
        return self._layer(
            self._geometry.coded,
            lambda segment: with_finer_keys(self._settings(segment), spacing.finer),
            self.psnr_db if psnr_db is None else psnr_db,
            watchers,
            spacing.longer,
        )

    def _base(self) -> RunCoder:
        return RunCoder(
            replace(self._run(), restoration=FULL),
            self._settings,
            self._judge(),
            self._stages,
            self._done,
            carefully=self._tokens,
        )

    def _run(self) -> RunSettings:
        preset = min(self._effort.key_preset + RUN_FASTER, FASTEST_PRESET)
        return RunSettings(preset, self._time_base, self._frame_rate)

    def _layer(
        self,
        size: tuple[int, int],
        settings: Callable[[Segment], SegmentSettings],
        psnr_db: list[float],
        watchers: Sequence[Watcher] = (),
        longer: float = 1.0,
    ) -> Layer:
        """A layer of key frames and tokens, with pictures of this size.

        ``psnr_db`` takes what is measured. Intervals are so many times as long as usual.
        """
        effort, chains = self._effort, self._options.chain_keys and not self._live
        keys = KeyCoder(PICTURE_CODECS[KEY_CODEC], size, effort.key_preset, chains=chains)
        packet_ticks = PACKET_S / self._time_base
        sizer = KeySizer(keys, packet_ticks, self._advance)
        if self._options.measure:
            watchers = [*watchers, Monitor(self._network, psnr_db)]
        coder = self._coder(keys, watchers) if self._tokens else sizer
        ahead = 0 if self._live else AHEAD
        return Layer(self._planner(longer), keys, coder, settings, self._stages, ahead=ahead)

    def _window(self, window: Window, windows: int) -> Layer:
        """The layer of a window, one of so many: its face counts more than the base."""
        share = window.side / min(self._geometry.display)
        weight = self._options.face_weight
        return self._layer(
            (window.coded_side, window.coded_side),
            lambda segment: window_settings(self._settings(segment), share, windows, weight),
            self.psnr_db,
        )

    def _planner(self, longer: float) -> Planner:
        options, time_base = self._options, self._time_base
        oldest = (LIVE_BASE_S if self._live else BASE_S) / time_base
        interval_s, live = options.point.keyframe_interval_s, self._live
        ticks = longer * float(interval_s / time_base) if interval_s < NO_LIMIT_S else None
        looks_ahead = self._effort.look_ahead and ticks is not None and not live
        plans = ticks if looks_ahead and self._effort.choose_keys else None
        policy = KeyframePolicy(
            ticks - 0.5 if ticks and not plans else None,
            options.scene_cut,
            float(oldest) - 0.5 if options.predict_keys else 0.0,
            time_base=time_base,
            drift=options.scene_cut and not plans,
        )
        watch = Watch(policy, time_base, scene_cut=options.scene_cut, hasty=live)
        if live:
            return LivePlanner(watch)
        if plans:
            schedule = KeySchedule(plans, options.predict_keys, self._emphasis())
            return PlannedPlanner(watch, schedule, self._plan)
        return GreedyPlanner(
            watch,
            None if looks_ahead else PACKET_S / time_base,
            lead=Lead.LATER if looks_ahead else Lead.NOTHING,
            chooses=self._effort.choose_keys,
        )

    def _coder(self, keys: KeyCoder, watchers: Sequence[Watcher]) -> SegmentCoder:
        options, live = self._options, self._live
        refines = self._effort.refine > 0
        emphasis = self._emphasis() if refines else None
        analyst = Analyst(
            lambda reference: self._latents(reference, emphasis),
            keys,
            self._network,
            self._analysing,
            self._workers,
            refines=refines,
        )
        return SegmentCoder(
            analyst,
            self._quantiser,
            self._weights.tables.coder(options.point.quantiser, holds=True),
            TokenSettings(
                longest_hold=max(1, int(HOLD_S * self._frame_rate)),
                smooths=not live,  # smoothing needs frames to come, and would only delay
                packet_ticks=PACKET_S / self._time_base,
                chain_ticks=CHAIN_S / self._time_base if live else Fraction(0),
            ),
            self._stages,
            watchers=watchers,
            advance=self._advance,
        )

    def _latents(self, reference: Picture, emphasis: FaceEmphasis | None) -> LatentTokens:
        return LatentTokens(
            self._model,
            self._quantiser,
            reference,
            self._effort.refine,
            self._analysing,
            self._advance,
            emphasis,
        )

    def _done(self, frames: float) -> None:
        """So many more frames are coded, in work that somebody still waits for."""
        self._check_wanted()
        if frames:
            self._advance(frames)

    def _check_wanted(self) -> None:
        if self._stopped:
            raise CancelledError

    @contextmanager
    def _analysing(self, stage: str) -> Iterator[None]:
        """Measure a stage of an analysis that somebody still waits for."""
        self._check_wanted()
        with self._stages.timed(stage):
            yield

    def _emphasis(self) -> FaceEmphasis | None:
        weight = self._options.face_weight
        return None if weight == 1 else FaceEmphasis(weight)


def rate_of(options: EncodeOptions) -> RateControl:
    """The rate control that the options ask for."""
    expected = SegmentSettings(options.point.key_crf)
    return SteadyRate(options.bitrate, expected) if options.bitrate else ConstantQuality(expected)
