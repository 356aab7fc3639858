"""Frozen configurations: the code passes these around, not dictionaries of options."""

from __future__ import annotations

import dataclasses
import json
from dataclasses import dataclass
from types import UnionType
from typing import Any, TypeVar, get_args, get_origin, get_type_hints

from imfcodec.errors import OptionError, WeightsCorrupt
from imfcodec.quality import MAX_QUALITY, OperatingPoint, point_of

Settings = TypeVar("Settings", OperatingPoint, "Effort")

MAX_THREADS = 1024

MAX_NUMBER = 1e15
"""No option is larger; the comparison also refuses what is no number."""

MAX_MODEL_SIZE = 4096
"""Largest number of channels, blocks or pixels that the configuration of a network may name."""

NO_LIMIT_S = 1e12
"""A key-frame interval of so many seconds means that there is no limit."""

MIN_TARGET, MAX_TARGET = 64, 10**12
"""Smallest and largest target: a rate in bit/s or a size in bytes. A smaller number lacks its k."""

MAX_REFINE_STEPS = 100
MAX_FACE_WEIGHT = 100

LAYOUTS = ("auto", "whole", "windows")
MODES = ("auto", "imf", "av1")
MAX_WINDOWS = 4

AUDIO_BITRATE = 8_000
"""Of transcoded sound, in bit/s."""


@dataclass(frozen=True)
class Effort:
    """What a preset of `EncodeOptions` sets: for how long the sender looks for a better stream.

    Attributes:
        latency: As in `EncodeOptions`, and so are the others.
        look_ahead: Whether a frame may be rebuilt from the key frame after it.
        choose_keys: Whether key frames are placed where they serve best.
        key_preset: SVT-AV1 preset.
        refine: Least-squares steps.
        mode: Whether plain AV1 is tried.
        try_intervals: Whether other times between key frames are tried.
    """

    latency: str
    look_ahead: bool
    choose_keys: bool
    key_preset: int
    refine: int
    mode: str
    try_intervals: bool = False


EFFORTS = {
    "live": Effort("low", False, False, key_preset=8, refine=0, mode="imf"),
    "fast": Effort("normal", True, True, key_preset=4, refine=0, mode="imf"),
    "default": Effort("normal", True, True, key_preset=0, refine=1, mode="auto"),
    "best": Effort("normal", True, True, key_preset=-1, refine=2, mode="auto", try_intervals=True),
}
"""By the name of the preset."""

MAX_MODEL_PARTS = 16
"""Largest number of scales or blocks in a list of sizes."""


def parsed_json(text: str | bytes) -> Any:
    """Read JSON that a file may have wrong in any way.

    Raises:
        ValueError: It is no JSON, or nested too deeply.
    """
    try:
        return json.loads(text)
    except RecursionError as error:
        raise ValueError("JSON nested too deeply") from error


@dataclass(frozen=True)
class ModelConfig:
    """Sizes of one IMF network; stored with its weights.

    Channel tuples run from the finest scale to the coarsest. Scale n is a map whose sides are 1/n
    of the picture's: at 256x256, scale 8 is a 32x32 map.

    Attributes:
        preset: Name of these sizes.
        token_size: d_m, values per latent token.
        stem_channels: Channels after the dense feature encoder's first convolution.
        stem_kernel: Kernel side of that convolution.
        stem_stride: Its stride, 1 or 2.
        feature_channels: Channels of the dense features f_r^l, one per scale 2, 4, 8, 16, 32
            (``stem_stride`` 2: the stem itself is scale 2).
        token_encoder_side: Short side in pixels of E_T's input; a larger frame is reduced to it.
            None: the frame as it is.
        token_encoder_channels: Channels of E_T's residual down-blocks.
        token_encoder_hidden: Width of the linear layers from E_T's last map to the token.
        motion_channels: Channels of IMF_D on its canonical grids 4x4, 8x8, 16x16, ...
        motion_convolutions: StyleGAN2 convolutions per grid.
        attention_scales: Scales at which IMF_A runs, coarse to fine.
        attention_dims: Width of the attention at each of those scales.
        attention_heads: Heads of each attention.
        attention_blocks: Transformer blocks after each cross-attention.
        fine: How scales finer than the attention are aligned: "attention" (the paper: the
            attended features carry everything) or "displacement" (the attention's
            correspondences are refined and sample the finer features).
        decoder_channels: Channels of the frame decoder. With "attention": its up-blocks, coarse
            to fine. With "displacement": at scales 8, 4, 2.
        relative_tokens: Whether E_T sees a frame together with its reference, t = E_T(x, x_r),
            or alone (the paper).
        token_encoder_grid: Side in cells of E_T's last map.
        token_encoder_flow: Whether a relative E_T also sees the optical flow between the two.
        restoration_channels: Channels of R, which restores decoded key frames, at scales 2, 4, 8.
            None: there is no R, and key frames are used as AV1 decodes them (the paper).
        restoration_blocks: Residual blocks of R at each scale, on the way down and up.
        restoration_passes: Passes of R over a key frame, each with its own weights.
        restoration_first: Channels at scales 2, 4, 8 and blocks of the first pass. None: as above.
        attention_pooling: Side in cells, 1, 2 or 4, of the squares over which keys and values of
            the finest cross-attention are averaged.
        narrow_up: Channels to which the decoder narrows its maps at scales 32, 16, 8, 4 before
            they enter the next finer scale. None: they are not narrowed.
        narrow_aligned: Likewise for the aligned features at scales 16 and 8.
        narrow_inner: Likewise for its maps at scales 8 and 4, before they enter convolutions of
            their own scale, and for the motion at scale 8, which is narrowed like the map there.
        narrow_features: Likewise for f^8, f^4 and f^2, once per key frame.
    """

    preset: str
    token_size: int
    stem_channels: int
    stem_kernel: int
    stem_stride: int
    feature_channels: tuple[int, ...]
    token_encoder_side: int | None
    token_encoder_channels: tuple[int, ...]
    token_encoder_hidden: int
    motion_channels: tuple[int, ...]
    motion_convolutions: int
    attention_scales: tuple[int, ...]
    attention_dims: tuple[int, ...]
    attention_heads: int
    attention_blocks: tuple[int, ...]
    fine: str
    decoder_channels: tuple[int, ...]
    relative_tokens: bool = False
    token_encoder_grid: int = 4
    token_encoder_flow: bool = False
    restoration_channels: tuple[int, int, int] | None = None
    restoration_blocks: int = 2
    restoration_passes: int = 1
    restoration_first: tuple[int, int, int, int] | None = None
    attention_pooling: int = 1
    narrow_up: tuple[int, int, int, int] | None = None
    narrow_aligned: tuple[int, int] | None = None
    narrow_inner: tuple[int, int] | None = None
    narrow_features: tuple[int, int, int] | None = None

    def to_json(self) -> str:
        """One line of JSON, stable key order."""
        return json.dumps(dataclasses.asdict(self), sort_keys=True)

    @classmethod
    def from_json(cls, text: str) -> ModelConfig:
        """Read what `to_json` wrote.

        Raises:
            WeightsCorrupt: The text is not such a configuration.
        """
        try:
            fields = parsed_json(text)
            if not isinstance(fields, dict):
                raise TypeError("not an object")
            tuples: Any = {k: tuple(v) if isinstance(v, list) else v for k, v in fields.items()}
            config = cls(**tuples)
            check_types(config)
        except (TypeError, ValueError, OptionError) as error:
            raise WeightsCorrupt(f"unreadable model configuration: {error}") from error
        if any(len(v) > MAX_MODEL_PARTS for v in tuples.values() if isinstance(v, tuple)):
            raise WeightsCorrupt(f"a list of sizes has more than {MAX_MODEL_PARTS} entries")
        numbers = [n for v in tuples.values() for n in (v if isinstance(v, tuple) else (v,))]
        if any(not 0 <= n <= MAX_MODEL_SIZE for n in numbers if isinstance(n, int)):
            raise WeightsCorrupt(f"a size of the network is not 0 to {MAX_MODEL_SIZE}")
        return config


PAPER = ModelConfig(
    preset="paper",
    token_size=32,
    stem_channels=64,
    stem_kernel=7,
    stem_stride=1,
    feature_channels=(64, 128, 256, 512, 512),
    token_encoder_side=None,
    token_encoder_channels=(64, 128, 256, 512, 512, 512),
    token_encoder_hidden=512,
    motion_channels=(512, 512, 512, 512, 256),
    motion_convolutions=2,
    attention_scales=(32, 16, 8, 4),
    attention_dims=(512, 512, 256, 128),
    attention_heads=8,
    attention_blocks=(4, 4, 4, 4),
    fine="attention",
    decoder_channels=(512, 512, 256, 128, 64),
)
"""Sizes from the paper's supplement (CVPR 2024, Implicit Motion Function)."""

WIDE = ModelConfig(
    preset="wide",
    token_size=32,
    stem_channels=16,
    stem_kernel=5,
    stem_stride=2,
    feature_channels=(16, 40, 96, 160, 192),
    token_encoder_side=128,
    token_encoder_channels=(32, 64, 128, 192),
    token_encoder_hidden=256,
    motion_channels=(256, 192, 128),
    motion_convolutions=2,
    attention_scales=(32, 16, 8),
    attention_dims=(192, 160, 96),
    attention_heads=4,
    attention_blocks=(1, 1, 1),
    fine="displacement",
    decoder_channels=(96, 56, 32),
    relative_tokens=True,
    token_encoder_grid=8,
    token_encoder_flow=True,
    restoration_channels=(64, 128, 192),
    restoration_blocks=5,
    restoration_passes=2,
    restoration_first=(24, 48, 96, 2),
)
"""Sizes of the teacher of the released weights, whose first restoration pass is larger."""

FAST = dataclasses.replace(
    WIDE,
    preset="fast",
    attention_blocks=(1, 1, 0),
    decoder_channels=(96, 56, 24),
    attention_pooling=4,
    narrow_up=(64, 64, 48, 16),
    narrow_aligned=(64, 32),
    narrow_inner=(32, 24),
    narrow_features=(32, 16, 8),
)
"""The preset of the released weights: its first constraint is real time on two CPU cores."""

PRESETS = {"paper": PAPER, "wide": WIDE, "fast": FAST}


@dataclass(frozen=True)
class EncodeOptions:
    """Options of a sender.

    With ``choose_keys`` and ``look_ahead``, the planned key frames include the first one. Without
    ``look_ahead``, the best frame of an interval's second half becomes its key frame, if latency
    permits. Without ``choose_keys``, key frames are the first frame of a scene and the last frame
    of each interval. With ``look_ahead``, a packet of tokens ends at each key frame. Low latency
    leaves no time to smooth tokens.

    The command line takes its help from here: `name` is the option of a field.

    Attributes:
        format: Allow a name of OUT that does not end in .imf. Default: such a name is refused.
        weights: Weights of the network: name, id or path. Default: as `imfcodec weights list` shows
            for each preset.
        quality: Quality, 0 (smallest stream) to 100 (best). It sets `key_crf`, `quantiser` and
            the time between key frames. With `bitrate` or `max_size`, the search begins here; with
            `bitrate` and `latency` low, the rate sets it.
        bitrate: Rate to meet in bit/s. The sound is not counted (but see `with_sound`). The video
            is encoded several times, and IN must be a file. With `latency` low it is encoded once,
            and the CRF of key frames follows what has been spent.
        with_sound: With `bitrate`: that is the rate of the whole stream, sound included.
        max_size: Largest size of the stream in bytes, sound included. The video is encoded several
            times. IN must be a file, and `latency` normal.
        min_quality: With `bitrate` or `max_size`: no second of the video is coded at a lower
            quality than this, 0 to 100. Default: 0.
        best_effort: If even the lowest quality, 0 or `min_quality`, exceeds `bitrate` or
            `max_size`, write that stream and warn. Default: fail.
        preset: Speed of encoding: live, fast, default or best. It sets `latency`, `look_ahead`,
            `choose_keys`, `try_intervals`, `key_preset`, `refine` and `mode`; those that are given
            override it. Default: default, or live with `latency` low.
        quantiser: Quantiser level of the tokens, 0 (finest) to 7; 4 to 7 are useful with the
            released weights. A higher level takes fewer bits and reproduces motion less exactly.
            Default: set by `quality`.
        key_crf: AV1 quality (CRF) of key frames, 1 (best) to 63, in steps of 0.25. Predicted key
            frames are coded slightly coarser. It also sets how well windows, and plain AV1 around
            them, are coded. Default: set by `quality`.
        key_preset: SVT-AV1 preset of key frames, -1 (slowest) to 13 (fastest). Plain AV1 has the
            next faster one. Default: set by `preset`.
        keyframe_interval_s: Time between key frames in seconds, above 0: the longest, or the
            average if they are planned (`choose_keys` with `look_ahead`). Where the picture changes
            a lot, a plan has more. Without limit: none, in Python ``NO_LIMIT_S``. Default: set by
            `quality`.
        choose_keys: Place key frames where they serve best, or at the end of each interval. With
            `look_ahead`, the key frames of four intervals are planned together. Default: set by
            `preset`.
        predict_keys: Code the key frames inside a scene from earlier key frames: fewer bytes, but
            they depend on those.
        chain_keys: Let each predicted key frame use all key frames since the last independent one,
            if these are at most 16: fewer bytes, but one lost key packet can lose up to a minute.
            No effect with `latency` low.
        look_ahead: Rebuild a frame from the key frame after it if that one suits it better. Sender
            and receiver then wait for that key frame. No effect with `latency` low. Default: set by
            `preset`.
        refine: Least-squares steps that improve the token of every fourth frame, 0 to 100. The
            tokens between get the mean of what their neighbours were corrected by. More steps give
            better tokens and take longer. Default: set by `preset`.
        face_weight: Weight of errors in the eyes and the mouth, 1 to 100, when tokens are improved
            and key frames are planned. Other errors have weight 1. A higher weight also codes
            windows finer.
        scene_cut: Code a key frame at each scene cut.
        latency: normal collects up to 3 seconds of tokens in a packet; low sends each frame at
            once. Default: set by `preset`.
        short_side: Short side at which a larger picture is coded, 64 pixels or more. The receiver
            scales it up to its original size.
        layout: whole codes the picture in one piece. windows codes heads in windows of their own
            and the rest as plain AV1; it needs `latency` normal. auto decides for each shot: whole
            if the window of a head would cover 40 % of the picture in the first second, otherwise
            windows. With `latency` low, auto is whole.
        mode: auto also tries plain AV1 of equal size for each whole shot, or half a minute of it,
            and keeps what looks better. imf never tries it, and av1 codes the whole video with it.
            With `latency` low, auto is imf. Default: set by `preset`.
        try_intervals: With `mode` auto, code each whole shot four times: with the time between key
            frames as usual, 0.8, 1.25 and 1.5 times as long. More key frames are coarser, so that
            the bytes hardly change. What looks best is kept. Default: set by `preset`.
        max_windows: Largest number of windows at a time, 1 to 4.
        audio: opus transcodes the sound to Opus, copy keeps an Opus track as it is, none drops it.
        audio_bitrate: Bit rate of transcoded sound in bit/s, 6000 to 256000. At 8000 and less,
            Opus keeps sound below 4 kHz, as a telephone does; from 9000 on, below 8 kHz or more.
        begin_s: Time in IN at which to begin, in seconds.
        end_s: Time in IN at which to end, in seconds. Default: the end.
        measure: Also rebuild what the receiver will see and report its PSNR. This takes longer.
        threads: Threads of the network, 1 to 1024. Each codes a stretch between two key frames, of
            which at most five are coded at the same time. The number changes no byte. Default:
            torch's own choice.
        device: Device that runs the network, for example cpu, cuda, cuda:1 or mps; auto takes a GPU
            if there is one.
        overwrite: Replace existing output.
    """

    format: str | None = None
    weights: str | None = None
    quality: float = 60.0
    bitrate: int | None = None
    with_sound: bool = False
    max_size: int | None = None
    min_quality: float = 0.0
    best_effort: bool = False
    preset: str | None = None
    quantiser: int | None = None
    key_crf: float | None = None
    key_preset: int | None = None
    keyframe_interval_s: float | None = None
    choose_keys: bool | None = None
    try_intervals: bool | None = None
    predict_keys: bool = True
    chain_keys: bool = True
    look_ahead: bool | None = None
    refine: int | None = None
    face_weight: float = 5.0
    scene_cut: bool = True
    latency: str | None = None
    short_side: int = 256
    layout: str = "auto"
    mode: str | None = None
    max_windows: int = 4
    audio: str = "opus"
    audio_bitrate: int = AUDIO_BITRATE
    begin_s: float = 0.0
    end_s: float | None = None
    measure: bool = False
    threads: int | None = None
    device: str = "cpu"
    overwrite: bool = False

    @property
    def point(self) -> OperatingPoint:
        """What ``quality`` sets, less what is set by other options."""
        return self._with_own(point_of(self.quality))

    @property
    def preset_name(self) -> str:
        """``preset`` with its default filled in."""
        return self.preset or ("live" if self.latency == "low" else "default")

    @property
    def effort(self) -> Effort:
        """What ``preset`` sets, less what is set by other options."""
        return self._with_own(EFFORTS[self.preset_name])

    def _with_own(self, settings: Settings) -> Settings:
        """Settings, with the values of those options of the same name that are given."""
        names = [field.name for field in dataclasses.fields(settings)]
        own: Any = {name: getattr(self, name) for name in names if getattr(self, name) is not None}
        return dataclasses.replace(settings, **own)

    @property
    def has_target(self) -> bool:
        """Whether the stream must meet a rate or a size, for which it is encoded several times."""
        return self.max_size is not None or (self.bitrate is not None and not self.is_steady)

    @property
    def is_steady(self) -> bool:
        """Whether the stream must meet a rate while it is encoded once."""
        return self.bitrate is not None and self.effort.latency == "low"

    def __post_init__(self) -> None:
        check_types(self)
        if self.begin_s < 0 or (self.end_s is not None and self.end_s <= self.begin_s):
            raise OptionError(f"the part from {self.begin_s} s to {self.end_s} s is empty")
        if not 0 <= self.quality <= MAX_QUALITY:
            raise OptionError(f"the quality must be 0 to {MAX_QUALITY}, not {self.quality}")
        if not 0 <= self.min_quality <= MAX_QUALITY:
            raise OptionError(f"the lowest quality is 0 to {MAX_QUALITY}, not {self.min_quality}")
        if self.key_crf is not None and not 1 <= self.key_crf <= 63:
            raise OptionError(f"the key-frame CRF must be 1 to 63, not {self.key_crf}")
        if self.preset not in (None, *EFFORTS):
            raise OptionError(f"a preset is one of {', '.join(EFFORTS)}, not {self.preset!r}")
        if self.key_preset is not None and not -1 <= self.key_preset <= 13:
            raise OptionError(f"the key-frame preset must be -1 to 13, not {self.key_preset}")
        if self.format not in (None, "imf"):
            raise OptionError(f"the format of a stream is 'imf', not {self.format!r}")
        if self.latency not in (None, "normal", "low"):
            raise OptionError(f"the latency must be 'normal' or 'low', not {self.latency!r}")
        if self.layout not in LAYOUTS:
            raise OptionError(
                f"the layout must be 'auto', 'whole' or 'windows', not {self.layout!r}"
            )
        if self.mode not in (None, *MODES):
            raise OptionError(f"the mode must be 'auto', 'imf' or 'av1', not {self.mode!r}")
        if self.effort.mode == "av1" and self.effort.latency == "low":
            raise OptionError("plain AV1 needs latency 'normal': it looks ahead")
        if self.effort.mode == "av1" and self.layout == "windows":
            raise OptionError("plain AV1 has no windows")
        if self.layout == "windows" and self.effort.latency == "low":
            raise OptionError("windows need latency 'normal': their base looks ahead")
        if not 1 <= self.max_windows <= MAX_WINDOWS:
            raise OptionError(f"there may be 1 to {MAX_WINDOWS} windows, not {self.max_windows}")
        if self.refine is not None and not 0 <= self.refine <= MAX_REFINE_STEPS:
            raise OptionError(f"refinement takes 0 to {MAX_REFINE_STEPS} steps, not {self.refine}")
        if not 1 <= self.face_weight <= MAX_FACE_WEIGHT:
            raise OptionError(f"the face weight is 1 to {MAX_FACE_WEIGHT}, not {self.face_weight}")
        if self.keyframe_interval_s is not None and not self.keyframe_interval_s > 0:
            raise OptionError("the key-frame interval must be above 0 seconds")
        self._check_target()
        _check_threads(self.threads)

    def _check_target(self) -> None:
        for target in (self.bitrate, self.max_size):
            if target is not None and not MIN_TARGET <= target <= MAX_TARGET:
                raise OptionError(
                    f"a rate or a size must be {MIN_TARGET} to {MAX_TARGET}, not {target}; "
                    "5k is 5000, and 2M is 2000000"
                )
        if self.with_sound and self.bitrate is None:
            raise OptionError("with_sound needs a bitrate")
        if self.bitrate is None and self.max_size is None:
            if self.min_quality:
                raise OptionError("a lowest quality needs a rate or a size that it limits")
            return
        names = ("bitrate", "max_size", "key_crf", "quantiser", "keyframe_interval_s")
        given = [name for name in names if getattr(self, name) is not None]
        if len(given) > 1:
            raise OptionError(f"{' and '.join(given)} contradict each other: give one of them")
        if self.effort.latency == "low" and (self.max_size is not None or self.min_quality):
            raise OptionError("a size and a lowest quality need latency 'normal'")


@dataclass(frozen=True)
class DecodeOptions:
    """Options of a receiver; the command line takes its help from here.

    Attributes:
        weights: Weights of the network, which must be those that the stream names: name, id or
            path. Default: found by the stream's id.
        format: Container of OUT. A pipe takes mkv, webm, y4m or rgb. Default: chosen by the
            extension of OUT.
        codec: Video encoder of OUT: libx264, libx265 or libvpx-vp9. Default: libx264; libvpx-vp9
            in webm.
        crf: Quality (CRF) of that encoder, 0 (best) to 51, or to 63 for libvpx-vp9. Default:
            visually lossless.
        conceal: Succeed, with exit code 0, even if frames were lost.
        threads: Threads of the network, 1 to 1024. Default: torch's own choice.
        engine: What runs the network: torch, onnxruntime (extra: onnx) or mnn (extra: mnn). The
            last two need exported weights (`imfcodec weights export --help`) and no torch. On the
            CPU, auto takes mnn, else onnxruntime, if it finds weights for it; otherwise torch.
        device: Device that runs the network, for example cpu, cuda, cuda:1 or mps; auto takes a GPU
            if there is one. With `engine` onnxruntime: cpu, cuda or cuda:1; with mnn: cpu.
        batch: Frames per pass of the network, 1 or more. A larger batch takes more memory and is
            faster on a GPU. Default: 2 for each thread, or 32 on a GPU.
        overwrite: Replace existing output.
    """

    weights: str | None = None
    format: str | None = None
    codec: str | None = None
    crf: int | None = None
    conceal: bool = False
    threads: int | None = None
    engine: str = "auto"
    device: str = "cpu"
    batch: int | None = None
    overwrite: bool = False

    def __post_init__(self) -> None:
        check_types(self)
        if self.batch is not None and self.batch < 1:
            raise OptionError("the batch must be 1 or more")
        _check_threads(self.threads)


def check_types(options: Any) -> None:
    """Check that each field of a dataclass has the type that it declares.

    Raises:
        OptionError: One has another type; the message names it.
    """
    for name, kind in get_type_hints(type(options)).items():
        value = getattr(options, name)
        if not _is_of(value, kind):
            wanted = str(kind).removeprefix("<class '").removesuffix("'>")
            raise OptionError(f"{name} must be {wanted}, not {value!r}")


def _is_of(value: object, kind: Any) -> bool:
    if isinstance(kind, UnionType):
        return any(_is_of(value, part) for part in get_args(kind))
    if get_origin(kind) is tuple:
        parts = get_args(kind)
        if not isinstance(value, tuple):
            return False
        if parts[-1] is not Ellipsis and len(parts) != len(value):
            return False
        return all(_is_of(item, parts[0]) for item in value)
    if isinstance(value, bool):
        return kind is bool
    if kind is float:
        return isinstance(value, int | float) and abs(value) < MAX_NUMBER
    return isinstance(value, kind)


def _check_threads(threads: int | None) -> None:
    if threads is not None and not 1 <= threads <= MAX_THREADS:
        raise OptionError(f"threads must be 1 to {MAX_THREADS}, not {threads}")
