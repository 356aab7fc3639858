"""Networks without values."""

from __future__ import annotations

import subprocess
import sys

import pytest

from imfcodec.config import FAST, PAPER, ModelConfig
from imfcodec.model.blank import blank
from imfcodec.model.imf import IMF
from tests.tiny import TINY


@pytest.mark.parametrize("config", [FAST, PAPER, TINY])
def test_blank_network_has_names_and_sizes_and_no_memory(config: ModelConfig) -> None:
    tensors = blank(config).state_dict()
    assert all(tensor.is_meta for tensor in tensors.values())
    if config is TINY:
        full = IMF(config).state_dict()
        assert [*tensors] == [*full]
        assert all(tensors[name].shape == full[name].shape for name in full)
        assert all(tensors[name].dtype == full[name].dtype for name in full)


@pytest.mark.parametrize("preset", ["FAST", "PAPER"])
def test_blank_network_needs_no_compiler(preset: str) -> None:
    code = (
        f"import sys; from imfcodec.config import {preset}; from imfcodec.model.blank import blank;"
        f"blank({preset}); print([n for n in ('torch._dynamo', 'sympy') if n in sys.modules])"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "[]"
