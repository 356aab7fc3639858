"""Distillation: a student learns the receiver's network from a wider teacher."""

from __future__ import annotations

from collections.abc import Callable, Sequence

import torch
from torch import Tensor, nn

from imfcodec.errors import OptionError
from imfcodec.model.correspondence import Warp
from imfcodec.model.imf import IMF
from imfcodec.model.layers import interleaved
from imfcodec.training.losses import pyramid_l1
from imfcodec.training.narrowing import narrow
from imfcodec.training.pairs import Batch
from imfcodec.training.trainee import Pass, Trainee
from imfcodec.weights import Weights

WATCHED = ("up8", "up4", "inner8", "inner4")
"""Their inputs are the maps at scales 8 and 4, before and after what is sampled joins them."""

PICTURE, WARP, MAPS = 40.0, 3.0, 0.25
"""Weights of the distances to the teacher's pictures, warps and maps."""

SHOWS, SHOWN = 16, 4
"""Batches and pairs in each, by which the student's first weights are chosen."""


class Teacher:
    """A trained network, and what a student's pass differs in from its own.

    Only what makes the student cheaper is trained: its decoder and its finest attention. Tokens
    therefore mean what they meant.
    """

    def __init__(self, weights: Weights, trainee: Trainee) -> None:
        """Take what the two share from the weights, and train only the rest of the student."""
        self._imf = weights.model.to(trainee.quantiser.step.device)
        self._student = trainee.imf
        self._maps: dict[tuple[str, str], Tensor] = {}
        trainee.requires_grad_(False)
        for part in (self._student.alignments[-1], self._student.frame_decoder):
            part.requires_grad_(True)
        self._student.latent_token_encoder.eval()
        step = torch.from_numpy(weights.tables.to_arrays()["step"]).log()
        for logarithm in (trainee.quantiser.log_step, trainee.quantiser.log_scale):
            logarithm.copy_(step)

    def begin(self, batches: Sequence[Batch]) -> None:
        """Give the student weights that come near the teacher on these pairs.

        Raises:
            OptionError: The networks differ in more than what is trained.
        """
        narrow(self._imf, self._student, lambda teacher: _show(teacher, batches))

    def watch(self) -> None:
        """Keep the maps of both networks for `terms`; a copy of the student is not watched."""
        for who, network in (("teacher", self._imf), ("student", self._student)):
            for name in WATCHED:
                layer = network.frame_decoder.get_submodule(name)
                layer.register_forward_pre_hook(self._keep(who, name))

    def terms(self, rebuilt: Pass, weights: Tensor) -> dict[str, tuple[float, Tensor]]:
        """Weights and terms of the loss of a student's pass; pixels count by [B, 1, S, S]."""
        with torch.no_grad():
            taught = self._imf(rebuilt.received[0], rebuilt.reference, rebuilt.received[1])
        ours, theirs = (x.picture.float() * weights for x in (rebuilt, taught))
        picture = pyramid_l1(ours, theirs)
        if rebuilt.warp is None or taught.warp is None:
            raise OptionError("only decoders of displacement have teachers")
        maps = []
        for name in WATCHED:
            ours, theirs = (self._maps.pop((who, name)) for who in ("student", "teacher"))
            maps.append((ours - theirs).abs().mean() / theirs.abs().mean())
        return {
            "teacher": (PICTURE, picture),
            "teacher_warp": (WARP, _warp_distance(rebuilt.warp, taught.warp)),
            "teacher_maps": (MAPS, torch.stack(maps).mean()),
        }

    def _keep(self, who: str, name: str) -> Callable[[nn.Module, tuple[Tensor]], None]:
        def hook(_: nn.Module, inputs: tuple[Tensor]) -> None:
            self._maps.setdefault((who, name), inputs[0])  # not those of the neighbour

        return hook


def _warp_distance(ours: Warp, theirs: Warp) -> Tensor:
    """Mean difference of displacements in cells of scale 4 at 256x256, plus that of visibility."""
    displacement = (ours.displacement - theirs.displacement).float() * 64
    visibility = (ours.visibility - theirs.visibility).float()
    return displacement.abs().mean() + visibility.abs().mean()


def _show(imf: IMF, batches: Sequence[Batch]) -> None:
    with torch.no_grad():
        for batch in batches:
            reference = interleaved(batch.reference)
            token = imf.encode_token(batch.current, reference, batch.flow)
            imf(token, reference, imf.key_token(reference))
