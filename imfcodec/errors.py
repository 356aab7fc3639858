"""One error class per cause, each with the exit code that the command line returns for it.

Every error that leaves the public API derives from `ImfcodecError`. Exit codes are part of
the interface: they are pinned by a test and never reused for another cause.
"""

from __future__ import annotations


class ImfcodecError(Exception):
    """Any other failure; the base of every error that imfcodec raises on purpose."""

    exit_code = 1


class OptionError(ImfcodecError):
    """An option has a value that cannot be used (or two options contradict each other)."""

    exit_code = 2


class InputUnreadable(ImfcodecError):
    """The input does not exist, may not be read, or no demuxer understands it."""

    exit_code = 3


class NoVideoStream(ImfcodecError):
    """The input is readable but carries no video stream."""

    exit_code = 4


class NoFrames(ImfcodecError):
    """The video stream exists but not one frame of it can be decoded."""

    exit_code = 5


class UnsupportedVideo(ImfcodecError):
    """The pixel format, picture size or container cannot be handled."""

    exit_code = 6


class OutputExists(ImfcodecError):
    """The output file exists and overwriting was not asked for."""

    exit_code = 7


class OutputFailed(ImfcodecError):
    """The output could not be written: disk full, no permission, closed pipe."""

    exit_code = 8


class NotImfStream(ImfcodecError):
    """The signature is not that of an .imf stream, or shows text-mode damage."""

    exit_code = 10


class UnsupportedVersion(ImfcodecError):
    """The stream needs a newer reader: format version or critical packet unknown."""

    exit_code = 11


class CorruptStream(ImfcodecError):
    """The stream breaks a rule of the format where nothing can be concealed."""

    exit_code = 12


class LimitExceeded(ImfcodecError):
    """A size in the stream is above the reader's limit; no memory was taken for it."""

    exit_code = 13


class DamagedStream(ImfcodecError):
    """The stream is damaged or truncated; the message lists the frames that were lost.

    The output is complete: lost frames repeat the last good one. Perhaps none was lost.

    Attributes:
        report: The `DecodeReport` of the run.
    """

    exit_code = 14

    def __init__(self, message: str, report: object = None) -> None:
        super().__init__(message)
        self.report = report


class WeightsMissing(ImfcodecError):
    """No weights file with the id that the stream or the user names."""

    exit_code = 20


class WeightsCorrupt(ImfcodecError):
    """A weights file fails its sha256 or lacks a tensor that it must hold."""

    exit_code = 21


class KeyframeCodecError(ImfcodecError):
    """The key-frame picture coder is missing or refused its input."""

    exit_code = 22


UNUSABLE_VIDEO = (InputUnreadable, NoVideoStream, NoFrames, UnsupportedVideo)
"""What a file raises that is no video to work on: one of many is then skipped and named."""

ERRORS: tuple[type[ImfcodecError], ...] = (
    ImfcodecError,
    OptionError,
    InputUnreadable,
    NoVideoStream,
    NoFrames,
    UnsupportedVideo,
    OutputExists,
    OutputFailed,
    NotImfStream,
    UnsupportedVersion,
    CorruptStream,
    LimitExceeded,
    DamagedStream,
    WeightsMissing,
    WeightsCorrupt,
    KeyframeCodecError,
)
"""All classes in the order in which `imfcodec --help` lists their exit codes."""
