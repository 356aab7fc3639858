"""Several channels to one."""

from __future__ import annotations

import numpy as np
import pytest

from imfcodec.media.downmix import MonoMixer

BLOCK = 960
SURROUND = ["FL", "FR", "FC", "LFE", "BL", "BR"]


def tone(hertz: float = 440.0, level: float = 0.9, seconds: float = 2.0) -> np.ndarray:
    return (level * np.sin(2 * np.pi * hertz * np.arange(int(48000 * seconds)) / 48000)).astype("f")


def mixed(channels: np.ndarray, names: list[str]) -> tuple[np.ndarray, list[str]]:
    mixer = MonoMixer(names)
    blocks = [
        mixer.mix(channels[:, n : n + BLOCK].astype(np.float32))
        for n in range(0, channels.shape[1], BLOCK)
    ]
    return np.concatenate(blocks), mixer.replaced


def test_equal_channels_keep_their_level() -> None:
    mono, replaced = mixed(np.stack([tone(), tone()]), ["FL", "FR"])
    assert np.abs(mono - tone()).max() < 1e-6
    assert not replaced


def test_one_channel_alone_is_heard() -> None:
    mono, replaced = mixed(np.stack([tone(), 0 * tone()]), ["FL", "FR"])
    assert np.abs(mono).max() == pytest.approx(0.45, abs=0.01)
    assert not replaced


def test_opposite_phase_takes_one_channel() -> None:
    mono, replaced = mixed(np.stack([tone(level=0.3), -tone()]), ["FL", "FR"])
    assert np.abs(mono).max() == pytest.approx(0.3, abs=0.01)  # 10 dB less than the louder one
    assert not replaced
    mono, replaced = mixed(np.stack([tone(), -tone()]), ["FL", "FR"])
    assert np.sqrt(np.square(mono).mean()) == pytest.approx(0.9 / 2**0.5, rel=0.01)
    assert replaced == ["FL"]


def test_phase_that_turns_in_the_middle_makes_no_click() -> None:
    left = np.concatenate([tone(), tone()])
    right = np.concatenate([tone(), -tone()])
    mono, replaced = mixed(np.stack([left, right]), ["FL", "FR"])
    assert replaced == ["FL"]
    assert np.abs(mono).max() <= 0.9 + 1e-6
    assert np.abs(np.diff(mono[: 2 * 48000 - 10])).max() < 0.06
    assert np.sqrt(np.square(mono[-24000:]).mean()) > 0.6


@pytest.mark.parametrize("loud", range(6))
def test_surround_is_never_louder_than_its_loudest_channel(loud: int) -> None:
    channels = np.stack([tone(200 + 37 * n, 0.3) for n in range(6)])
    channels[loud] = tone(300, 0.9)
    mono, _ = mixed(channels, SURROUND)
    assert np.abs(mono).max() <= 0.9 + 1e-6


def test_surround_with_one_channel_is_heard() -> None:
    for channel in range(6):
        channels = np.zeros((6, 96000), np.float32)
        channels[channel] = tone()
        mono, _ = mixed(channels, SURROUND)
        loss_db = 20 * np.log10(np.sqrt(np.square(mono).mean()) / (0.9 / 2**0.5))
        assert loss_db > -12.1


def test_silence_and_mono() -> None:
    mono, replaced = mixed(np.zeros((2, 4800), np.float32), ["FL", "FR"])
    assert not mono.any()
    assert not replaced
    assert np.array_equal(mixed(tone()[None], ["FC"])[0], tone())


def test_the_rumble_is_no_speech() -> None:
    channels = np.zeros((6, 96000), np.float32)
    channels[2], channels[3] = tone(300, 0.05), tone(40, 0.4)
    mono, replaced = mixed(channels, SURROUND)
    assert replaced == []
    assert np.abs(mono[24000:]).max() == pytest.approx(0.05 / 3.414, rel=0.05)
