"""Imports point one way; each check runs in a fresh interpreter."""

from __future__ import annotations

import subprocess
import sys

import pytest


def loaded_by(module: str) -> set[str]:
    """Names of all modules that importing ``module`` brings in."""
    code = f"import sys, {module}; print('\\n'.join(sys.modules))"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    return set(done.stdout.split())


@pytest.mark.parametrize(
    ("module", "forbidden"),
    [
        (
            "imfcodec.receiver.decode",
            [
                "imfcodec.sender",
                "imfcodec.training",
                "imfcodec.bench",
                "imfcodec.cli",
                "lpips",
                "skimage",
                "click",
                "rich",
                "cv2",
                "torch",
                "onnxruntime",
                "MNN",
            ],
        ),
        ("imfcodec.receiver.inspection", ["torch", "av", "numpy", "imfcodec.metrics"]),
        ("imfcodec.sender", ["imfcodec.training", "imfcodec.bench", "imfcodec.cli", "lpips"]),
        ("imfcodec.bitstream", ["torch", "numpy", "av", "constriction"]),
        ("imfcodec.codec.tokens", ["torch", "av", "imfcodec.model"]),
        ("imfcodec.codec.network", ["torch", "onnxruntime", "MNN", "imfcodec.model"]),
        (
            "imfcodec.codec.network.in_torch",
            ["imfcodec.sender", "imfcodec.receiver", "imfcodec.media"],
        ),
        ("imfcodec.codec.optical_flow", ["imfcodec.sender", "imfcodec.receiver"]),
        ("imfcodec.model.imf", ["imfcodec.bitstream", "imfcodec.codec", "av", "imfcodec.weights"]),
        ("imfcodec.codec.pictures", ["torch", "imfcodec.sender", "imfcodec.receiver"]),
        ("imfcodec.media", ["torch", "imfcodec.sender", "imfcodec.receiver"]),
        ("imfcodec.bench.clips", ["imfcodec.training", "imfcodec.cli"]),
        ("imfcodec.bench.runner", ["imfcodec.training", "imfcodec.cli"]),
        ("imfcodec.training.loop", ["imfcodec.bench", "imfcodec.cli"]),
        ("imfcodec", ["torch", "av", "numpy"]),
    ],
)
def test_boundary(module: str, forbidden: list[str]) -> None:
    loaded = loaded_by(module)
    assert [name for name in forbidden if name in loaded] == []
