"""From the user's options to a planner and a segment coder: the only place that knows modes."""

from __future__ import annotations

from collections.abc import Callable
from fractions import Fraction
from typing import Final

from imfcodec.bitstream import KEY_CODEC_AV1
from imfcodec.codec.network import ENGINES, Network
from imfcodec.codec.pictures import PICTURE_CODECS
from imfcodec.codec.stages import StageTimes
from imfcodec.config import DecodeOptions, EncodeOptions
from imfcodec.sender.face_emphasis import RENEW, FaceEmphasis
from imfcodec.sender.key_coder import KeyCoder
from imfcodec.sender.monitor import Monitor
from imfcodec.sender.planning.greedy import GreedyPlanner
from imfcodec.sender.planning.key_schedule import KeySchedule
from imfcodec.sender.planning.keyframe_policy import KeyframePolicy
from imfcodec.sender.planning.live import LivePlanner
from imfcodec.sender.planning.planned import PlannedPlanner
from imfcodec.sender.planning.planner import Planner, Watch
from imfcodec.sender.rate import ConstantQuality, RateControl, SegmentSettings
from imfcodec.sender.segment import Lead
from imfcodec.sender.segment_coder import SegmentCoder, TokenSettings
from imfcodec.weights import Weights

KEY_CODEC: Final = KEY_CODEC_AV1
"""Wire id of the codec of key pictures."""

PACKET_S: Final = Fraction(3)
"""Longest duration of the frames in one token packet, in seconds."""

CHAIN_S: Final = Fraction(1)
"""At low latency, packets of this much time are chained: a lost one costs the rest of them."""

BASE_S: Final = Fraction(20)
"""No key frame is predicted from a base of this age, in seconds."""


def planner_of(
    options: EncodeOptions, time_base: Fraction, advance: Callable[[float], None]
) -> Planner:
    """The planner that the options ask for.

    Args:
        options: Of the user.
        time_base: Seconds per tick.
        advance: Called with for how many more frames the key frames are planned.
    """
    interval, live = options.keyframe_interval_s, options.latency == "low"
    ticks = float(interval / time_base) if interval else None
    looks_ahead = options.look_ahead and ticks is not None and not live
    plans = ticks if looks_ahead and options.choose_keys else None
    policy = KeyframePolicy(
        ticks - 0.5 if ticks and not plans else None,
        options.scene_cut,
        float(BASE_S / time_base) - 0.5 if options.predict_keys else 0.0,
        time_base=time_base,
        planned_ticks=plans,
    )
    watch = Watch(policy, time_base, scene_cut=options.scene_cut, hasty=live)
    if live:
        return LivePlanner(watch)
    if plans:
        # Frames that are planned are far apart, so each is searched for faces.
        schedule = KeySchedule(plans, options.predict_keys, _emphasis_of(options, renew=1))
        return PlannedPlanner(watch, schedule, advance)
    return GreedyPlanner(
        watch,
        None if looks_ahead else PACKET_S / time_base,
        lead=Lead.LATER if looks_ahead else Lead.NOTHING,
        chooses=options.choose_keys,
    )


def coder_of(
    weights: Weights,
    options: EncodeOptions,
    size: tuple[int, int],
    time_base: Fraction,
    stages: StageTimes,
    network: Network,
    monitor: Monitor | None,
    advance: Callable[[int], None],
) -> SegmentCoder:
    """The segment coder that the options ask for; see `SegmentCoder`.

    Args:
        weights: Of the network.
        options: Of the user.
        size: Coded width and height in pixels.
        time_base: Seconds per tick.
        stages: Takes the time of each stage.
        network: The receiver's.
        monitor: Measures what the receiver will see; None measures nothing.
        advance: Called with how many more frames are coded.
    """
    live = options.latency == "low"
    return SegmentCoder(
        weights.model,
        weights.tables.quantiser(options.quantiser),
        weights.tables.coder(options.quantiser),
        KeyCoder(
            PICTURE_CODECS[KEY_CODEC], size, options.preset, chains=options.chain_keys and not live
        ),
        network,
        TokenSettings(
            options.refine_steps,
            smooths=not live,  # smoothing needs frames to come, and would only delay
            packet_ticks=PACKET_S / time_base,
            chain_ticks=CHAIN_S / time_base if live else Fraction(0),
        ),
        stages,
        emphasis=_emphasis_of(options) if options.refine_steps else None,
        monitor=monitor,
        advance=advance,
    )


def network_of(weights: Weights, options: EncodeOptions) -> Network:
    """The receiver's network, with which the sender sees what the receiver will see."""
    return ENGINES["torch"](weights, options.quantiser, DecodeOptions(threads=options.threads))


def rate_of(options: EncodeOptions) -> RateControl:
    """The rate control that the options ask for."""
    return ConstantQuality(SegmentSettings(options.key_crf))


def _emphasis_of(options: EncodeOptions, renew: int = RENEW) -> FaceEmphasis | None:
    return None if options.face_weight == 1 else FaceEmphasis(options.face_weight, renew=renew)
