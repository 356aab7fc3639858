"""A narrow network that begins near a wide one: the student of a teacher."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import NamedTuple

import torch
from torch import Tensor, nn

from imfcodec.errors import OptionError
from imfcodec.model.displacement_frame_decoder import DisplacementFrameDecoder
from imfcodec.model.imf import IMF
from imfcodec.model.layers import Projection

ENTERS = {
    "fuse16": ("up32", "aligned16"),
    "fuse8": ("up16", "aligned8"),
    "correspondence.first": ("inner8", "motion", "reference_motion", None),
    "refine8.first": ("inner8", "features.0", None),
    "conv8": ("inner8", "features.0"),
    "enter4": ("up8", "features.1"),
    "refine4.first": ("inner4", "features.1", None),
    "conv4": ("inner4", "features.1"),
    "enter2": ("up4", "features.2", None),
}
"""What enters each convolution of the decoder, in order: a projection's output, or as it is."""

R = "restoration."
"""Prefix of the names of R's weights."""

RIDGE = 1e-4
"""Of least squares, relative to the mean variance."""


class Moments(NamedTuple):
    """Mean [C] and covariance [C, C] of a map's cells."""

    mean: Tensor
    covariance: Tensor


def narrow(teacher: IMF, student: IMF, show: Callable[[IMF], None]) -> None:
    """Give a student the teacher's weights, changed where it is narrower so that little is lost.

    What is left out is replaced by the linear map of what stays that is nearest to it on average:

    - the transformer blocks of the finest attention,
    - channels at scale 2, of which those stay that explain the others best,
    - the input of the decoder's convolutions, by projections onto its most important components.

    Args:
        teacher: The wide network.
        student: Its like with fewer or narrower layers. It keeps its own R.
        show: Runs the teacher on typical pictures.

    Raises:
        OptionError: The two differ in something else.
    """
    wide, thin = teacher.frame_decoder, student.frame_decoder
    if not isinstance(wide, DisplacementFrameDecoder) or not isinstance(
        thin, DisplacementFrameDecoder
    ):
        raise OptionError("only decoders of displacement have students")
    fitting = {k: v.shape for k, v in student.state_dict().items()}
    values = teacher.state_dict().items()
    same = {k: v for k, v in values if fitting.get(k) == v.shape and not k.startswith(R)}
    other = [k for k in fitting.keys() - same.keys() if not k.startswith(("frame_decoder.", R))]
    if other:
        raise OptionError(f"teacher and student differ in more than the decoder: {min(other)}")
    student.load_state_dict(same, strict=False)

    attention, narrow_attention = teacher.alignments[-1], student.alignments[-1]
    blocks: nn.ModuleList = attention.blocks  # type: ignore[assignment]
    left: nn.ModuleList = narrow_attention.blocks  # type: ignore[assignment]
    watched = {name: wide.get_submodule(name) for name in (*ENTERS, "conv2", "painting")}
    watched |= {f"block{n}": block for n, block in enumerate(blocks)}
    seen = _observe(watched, lambda: show(teacher))
    with torch.no_grad():
        out: nn.Linear = narrow_attention.out  # type: ignore[assignment]
        for number in range(len(left), len(blocks)):
            size = out.out_features
            cells = slice(0, size), slice(size, 2 * size)
            weight, bias = _nearest(seen[f"block{number}"], *cells)
            out.weight.copy_(weight @ out.weight)
            out.bias.copy_(weight @ out.bias + bias)
        rows = _fewer_channels(wide, thin, seen)
        _project(teacher, thin, seen, rows)


def _observe(modules: dict[str, nn.Module], run: Callable[[], None]) -> dict[str, Moments]:
    """Moments of what enters each convolution, and of each block's input beside its output."""
    totals: dict[str, tuple[Tensor, Tensor, int]] = {}

    def look(name: str) -> Callable[[nn.Module, tuple[Tensor, ...], Tensor], None]:
        def hook(module: nn.Module, inputs: tuple[Tensor, ...], output: Tensor) -> None:
            cells = inputs[0].detach()
            if isinstance(module, nn.Conv2d):
                cells = cells.permute(0, 2, 3, 1)
            else:
                cells = torch.cat([cells, output.detach()], -1)
            cells = cells.flatten(0, -2)
            first, second, count = totals.get(name, (0.0, 0.0, 0))
            squares = (cells.t() @ cells).double()
            totals[name] = first + cells.sum(0).double(), second + squares, count + len(cells)

        return hook

    hooks = [module.register_forward_hook(look(name)) for name, module in modules.items()]
    try:
        run()
    finally:
        for hook in hooks:
            hook.remove()
    means = {name: first / count for name, (first, _, count) in totals.items()}
    return {
        name: Moments(means[name], second / count - torch.outer(means[name], means[name]))
        for name, (_, second, count) in totals.items()
    }


def _nearest(
    moments: Moments, given: slice | list[int], wanted: slice | list[int]
) -> tuple[Tensor, Tensor]:
    """Weight and bias of the linear map from some channels to others with the least error."""
    covariance, mean = moments.covariance, moments.mean
    known = covariance[given][:, given]
    known = known + torch.eye(len(known)) * RIDGE * known.diagonal().mean()
    weight = torch.linalg.solve(known, covariance[given][:, wanted]).t()
    return weight.float(), (mean[wanted] - weight @ mean[given]).float()


def _fewer_channels(
    wide: DisplacementFrameDecoder, thin: DisplacementFrameDecoder, seen: dict[str, Moments]
) -> list[int]:
    """Choose the channels at scale 2 and adapt the convolutions after them; returns the choice."""
    size = wide.conv2.in_channels
    after = {"conv2": wide.conv2, "painting": wide.painting}
    everything = slice(0, size)
    weights = {name: _importance(layer, everything) for name, layer in after.items()}

    def loss(kept: list[int]) -> float:
        """Sum of the shares of both convolutions' input that is left unexplained."""
        total = 0.0
        for name, weight in weights.items():
            covariance = seen[name].covariance
            linear = _nearest(seen[name], kept, everything)[0].double()
            rest = covariance - linear @ covariance[kept]
            total += float((weight * rest).sum() / (weight * covariance).sum())
        return total

    kept = list(range(size))
    while len(kept) > thin.conv2.in_channels:
        kept.remove(min(kept, key=lambda c: loss([k for k in kept if k != c])))
    rows = {"conv2": kept, "painting": list(range(wide.painting.out_channels))}
    for name, layer in after.items():
        weight, bias = _nearest(seen[name], kept, everything)
        narrow_layer = _convolution(thin, name)
        taps = torch.einsum("ochw,cn->onhw", layer.weight, weight)
        offset = _bias(layer) + layer.weight.sum((2, 3)) @ bias
        narrow_layer.weight.copy_(taps[rows[name]])
        _bias(narrow_layer).copy_(offset[rows[name]])
    return kept


def _project(
    teacher: IMF, thin: DisplacementFrameDecoder, seen: dict[str, Moments], rows: list[int]
) -> None:
    """Fill the projections, and the convolutions after them; of enter2 these rows stay.

    With C the covariance of an input and M = sum of W_t^T W_t over the taps t of the convolutions
    that it enters, a projection keeps the leading eigenvectors of M^1/2 C M^1/2. The convolutions
    take up the inverse, and their biases what the other components are on average.
    """
    wide = teacher.frame_decoder
    projections = {k: v for k, v in thin.named_modules() if isinstance(v, Projection)}
    inputs: dict[str, list[tuple[str, slice]]] = {}
    places = {name: _places(teacher, name) for name in ENTERS}
    for name, parts in ENTERS.items():
        for part, place in zip(parts, places[name], strict=True):
            if part is not None and part in projections:
                inputs.setdefault(part, []).append((name, place))
    backs = {}
    for part, uses in inputs.items():
        projection = projections[part]
        matrices = [seen[name].covariance[place, place] for name, place in uses]
        weights = [_importance(_convolution(wide, name), place) for name, place in uses]
        covariance = torch.stack(matrices).mean(0)
        forth, backs[part] = _components(
            covariance, torch.stack(weights).sum(0), projection.out_features
        )
        projection.weight.copy_(forth)
    for name, parts in ENTERS.items():
        before, after = _convolution(wide, name), _convolution(thin, name)
        columns, bias = [], _bias(before).clone()
        for part, place in zip(parts, places[name], strict=True):
            weight = before.weight[:, place]
            if part in backs:
                mean = seen[name].mean[place].float()
                lost = mean - backs[part] @ (projections[part].weight @ mean)
                bias += weight.sum((2, 3)) @ lost
                weight = torch.einsum("ochw,cn->onhw", weight, backs[part])
            columns.append(weight)
        chosen = rows if name == "enter2" else list(range(len(bias)))
        after.weight.copy_(torch.cat(columns, 1)[chosen])
        _bias(after).copy_(bias[chosen])


def _places(teacher: IMF, name: str) -> Sequence[slice]:
    """Where the parts of a convolution's input lie in its channels."""
    config = teacher.config
    coarse, middle, fine = config.attention_dims
    wide, half, _ = config.decoder_channels
    f2, f4, f8 = config.feature_channels[:3]
    sizes = {"up32": coarse, "up16": middle, "up8": wide, "up4": half}
    sizes |= {"inner8": wide, "inner4": half, "motion": fine, "reference_motion": fine}
    sizes |= {"aligned16": middle, "aligned8": fine}
    sizes |= {"features.0": f8, "features.1": f4, "features.2": f2}
    channels = _convolution(teacher.frame_decoder, name).in_channels
    places, begin = [], 0
    for part in ENTERS[name]:
        end = channels if part is None else begin + sizes[part]
        places.append(slice(begin, end))
        begin = end
    return places


def _importance(layer: nn.Conv2d, place: slice) -> Tensor:
    """M of a part of a convolution's input [C, C]: its taps one by one, and their sum."""
    weight = layer.weight[:, place].double()
    together = weight.sum((2, 3))
    taps = weight.permute(0, 2, 3, 1).flatten(0, 2)
    return taps.t() @ taps + together.t() @ together


def _components(covariance: Tensor, importance: Tensor, size: int) -> tuple[Tensor, Tensor]:
    """The projection [size, C] and the way back [C, size]; its output is as large as its input."""
    values, vectors = torch.linalg.eigh(importance)
    values = values.clamp_min(values.max() * 1e-6).sqrt()
    root = vectors * values @ vectors.t()
    inverse = vectors / values @ vectors.t()
    kept = torch.linalg.eigh(root @ covariance @ root)[1][:, -size:]
    forth, back = kept.t() @ root, inverse @ kept
    variances = (forth @ covariance @ forth.t()).diagonal()
    mean = covariance.diagonal().mean()
    scale = (mean / variances.clamp_min(mean * 1e-6)).sqrt()
    return (forth * scale[:, None]).float(), (back / scale).float()


def _convolution(decoder: nn.Module, name: str) -> nn.Conv2d:
    layer = decoder.get_submodule(name)
    assert isinstance(layer, nn.Conv2d)
    return layer


def _bias(layer: nn.Conv2d) -> Tensor:
    assert layer.bias is not None
    return layer.bias
