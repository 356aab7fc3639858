"""Quality of the averaged weights on held-out pairs, always the same ones."""

from __future__ import annotations

import dataclasses

import torch
from torch import Tensor

from imfcodec.codec.network.in_torch import to_tensor
from imfcodec.codec.optical_flow import MovementTracker
from imfcodec.training.config import TrainConfig
from imfcodec.training.losses import psnr_db
from imfcodec.training.pairs import Batch, PairSampler
from imfcodec.training.perceptual_loss import PerceptualLoss
from imfcodec.training.shards import Shard
from imfcodec.training.trainee import Trainee, reduce_to

PAIRS, BATCH = 64, 8
SAMPLES = 6
TOKENS = 64  # frames of one clip whose tokens are plotted


class Validation:
    """PSNR and LPIPS of rounded tokens on fixed pairs, and of the frozen reference."""

    def __init__(self, shard: Shard, config: TrainConfig, device: str) -> None:
        """Draw the pairs, whatever the training sees."""
        fixed = dataclasses.replace(config, seed=1, affine=0.0, sent=0.0)
        self._sampler = PairSampler(shard, fixed)
        self._side = config.model.token_encoder_side or 0
        self._device = device
        self._distance = PerceptualLoss("squeeze").to(device) if config.perceptual else None
        self._batches: tuple[int, list[Batch]] = (0, [])

    @torch.no_grad()
    def measure(self, model: Trainee, size: int) -> dict[str, float]:
        """Means over all pairs at ``size``: dB, and LPIPS where training knows it."""
        kinds = ("psnr_db", "lpips") if self._distance else ("psnr_db",)
        sums = {f"{name}_{kind}": 0.0 for name in ("val", "freeze") for kind in kinds}
        batches = self._draw(size)
        for batch in batches:
            reference, target, ours = self._rebuild(model, batch, size)
            for name, picture in (("val", ours), ("freeze", reference)):
                sums[f"{name}_psnr_db"] += psnr_db(picture, target) / len(batches)
                if self._distance:
                    distance = float(self._distance(picture, target))
                    sums[f"{name}_lpips"] += distance / len(batches)
        return sums

    @torch.no_grad()
    def samples(self, model: Trainee, size: int) -> Tensor:
        """Rows of reference, target, output, |difference| x 4: [rows, 4, 3, size, size]."""
        reference, target, ours = self._rebuild(model, self._draw(size)[0], size)
        difference = ((ours - target).abs() * 4).clamp(0, 1)
        return torch.stack([reference, target, ours, difference], 1)[:SAMPLES].cpu()

    @torch.no_grad()
    def tokens(self, model: Trainee) -> Tensor:
        """Tokens of one clip's first frames, in order: [frames, d_m]."""
        shard = self._sampler.shard
        clip = shard.clips[0]
        frames = shard.frames[clip.start : clip.start + min(clip.count, TOKENS)].copy()
        flow = MovementTracker(frames[0]).track(frames).to(self._device)
        pictures = to_tensor(frames, self._device)
        parts = [
            model.imf.encode_token(p, pictures[:1], f)
            for p, f in zip(pictures.split(BATCH), flow.split(BATCH), strict=True)
        ]
        return torch.cat(parts).float().cpu()

    def _draw(self, size: int) -> list[Batch]:
        if self._batches[0] != size:
            side = max(size, min(self._side, self._sampler.shard.size))
            drawn = [self._sampler.draw(n, BATCH, side, flow=False) for n in range(PAIRS // BATCH)]
            self._batches = (size, drawn)
        return [batch.to(self._device) for batch in self._batches[1]]

    def _rebuild(self, model: Trainee, batch: Batch, size: int) -> tuple[Tensor, Tensor, Tensor]:
        """Reference, target and what a receiver makes of it, [B, 3, size, size] each."""
        step = model.quantiser.step
        origin = batch.reference
        reference, target = reduce_to(origin, size), reduce_to(batch.current, size)
        token = model.imf.encode_token(batch.current, origin, batch.flow)
        tokens = token, model.imf.key_token(origin)
        current, key = (torch.round(t / step) * step for t in tokens)
        rebuilt = model.imf(current, reference, key)
        return reference, target, rebuilt.picture.float().clamp(0, 1)
