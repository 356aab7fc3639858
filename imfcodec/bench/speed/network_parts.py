"""Time inside the blocks of the network, measured with hooks from outside."""

from __future__ import annotations

import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import torch
from torch import nn
from torch.nn.modules.module import (
    register_module_forward_hook,
    register_module_forward_pre_hook,
)

from imfcodec.codec.stages import StageTimes
from imfcodec.model.dense_feature_encoder import DenseFeatureEncoder
from imfcodec.model.displacement_frame_decoder import DisplacementFrameDecoder
from imfcodec.model.frame_decoder import FrameDecoder
from imfcodec.model.implicit_motion_alignment import ImplicitMotionAlignment
from imfcodec.model.latent_token_decoder import LatentTokenDecoder
from imfcodec.model.reference_restoration import ReferenceRestoration

_PART_OF: dict[type[nn.Module], str] = {
    ReferenceRestoration: "restoration",
    DenseFeatureEncoder: "reference features",
    LatentTokenDecoder: "token decoder",
    ImplicitMotionAlignment: "alignment",
    FrameDecoder: "frame decoder",
    DisplacementFrameDecoder: "frame decoder",
}
PARTS = tuple(dict.fromkeys(_PART_OF.values()))
"""In the order in which they run; none contains another."""


@contextmanager
def timed_parts(device: str) -> Iterator[StageTimes]:
    """Account every call of one of the network's blocks in this process.

    The hooks see all networks of the process, whoever made them. Blocks that run at the same time
    in several threads share that time: all parts together never exceed what went by.

    Args:
        device: Where the network runs; an accelerator is waited for, so that the time of a
            block is not that of asking for it.
    """
    times, running, lock = StageTimes(), dict[tuple[int, int], str](), threading.Lock()
    wait = torch.cuda.synchronize if device.startswith("cuda") else (lambda: None)
    before = time.perf_counter()

    def account() -> None:
        nonlocal before
        before, since = time.perf_counter(), before
        for part in running.values():
            times.add(part, (before - since) / len(running))

    def begin(module: nn.Module, inputs: Any) -> None:
        if part := _PART_OF.get(type(module)):
            wait()
            with lock:
                account()
                running[threading.get_ident(), id(module)] = part

    def end(module: nn.Module, inputs: Any, outputs: Any) -> None:
        if type(module) in _PART_OF:
            wait()
            with lock:
                account()
                del running[threading.get_ident(), id(module)]

    handles = [register_module_forward_pre_hook(begin), register_module_forward_hook(end)]
    try:
        yield times
    finally:
        for handle in handles:
            handle.remove()
