"""The ffmpeg program in the package imageio-ffmpeg."""

from __future__ import annotations

from imfcodec.errors import OptionError


def ffmpeg_binary(what: str) -> str:
    """Path of the program.

    Args:
        what: What needs the program, for the message, for example "VMAF".

    Raises:
        OptionError: The package is not installed, or has no binary for this machine.
    """
    try:
        import imageio_ffmpeg
    except ImportError as error:
        message = f"{what} needs imageio-ffmpeg: pip install 'imfcodec[bench]'"
        raise OptionError(message) from error
    try:
        return str(imageio_ffmpeg.get_ffmpeg_exe())
    except RuntimeError as error:
        raise OptionError(f"imageio-ffmpeg has no ffmpeg binary: {error}") from error
