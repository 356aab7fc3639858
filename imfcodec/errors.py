"""One error class per cause, each with the exit code that the command line returns for it.

Every error that leaves the public API derives from `ImfcodecError`. Exit codes are part of
the interface: a test pins them, and none is reused for another cause.
"""

from __future__ import annotations


class ImfcodecError(Exception):
    """Any other failure; the base class of every error that imfcodec raises on purpose."""

    exit_code = 1


class OptionError(ImfcodecError):
    """An option has a value that cannot be used, or two options contradict each other."""

    exit_code = 2


class InputUnreadable(ImfcodecError):
    """The input does not exist, may not be read, or has an unknown container."""

    exit_code = 3


class NoVideoStream(ImfcodecError):
    """The input is readable but has no video stream."""

    exit_code = 4


class NoFrames(ImfcodecError):
    """The input has a video stream, but none of its frames can be decoded."""

    exit_code = 5


class UnsupportedVideo(ImfcodecError):
    """The pixel format, picture size or container cannot be handled."""

    exit_code = 6


class OutputExists(ImfcodecError):
    """The output file exists, and overwriting was not requested."""

    exit_code = 7


class OutputFailed(ImfcodecError):
    """The output could not be written: full disk, no permission, closed pipe."""

    exit_code = 8


class TargetMissed(ImfcodecError):
    """The stream cannot be as small as the rate or the size that was asked for."""

    exit_code = 9


class NotImfStream(ImfcodecError):
    """The input has no .imf signature, or its signature was damaged by a text-mode copy."""

    exit_code = 10


class UnsupportedVersion(ImfcodecError):
    """The stream needs a newer reader: unknown format version or critical packet."""

    exit_code = 11


class CorruptStream(ImfcodecError):
    """The stream breaks a rule of the format, and concealment is impossible."""

    exit_code = 12


class LimitExceeded(ImfcodecError):
    """A size in the stream exceeds the reader's limit; no memory was allocated for it."""

    exit_code = 13


class DamagedStream(ImfcodecError):
    """The stream is damaged or truncated; the message lists the frames that were lost.

    The output is complete: each lost frame repeats the last good frame. The number of lost frames
    may be 0.

    Attributes:
        report: The `DecodeReport` of the run.
    """

    exit_code = 14

    def __init__(self, message: str, report: object = None) -> None:
        super().__init__(message)
        self.report = report


class WeightsMissing(ImfcodecError):
    """No weights file has the id or name that the stream or the user asks for."""

    exit_code = 20


class WeightsCorrupt(ImfcodecError):
    """A weights file does not match its sha256, or lacks a tensor."""

    exit_code = 21


class KeyframeCodecError(ImfcodecError):
    """The key-frame codec is missing or refuses its input."""

    exit_code = 22


class Stopped(Exception):
    """A signal asks the program to stop; no error.

    Attributes:
        number: Of the signal.
    """

    def __init__(self, number: int) -> None:
        super().__init__(number)
        self.number = number


UNUSABLE_VIDEO = (InputUnreadable, NoVideoStream, NoFrames, UnsupportedVideo)
"""Errors of a file that is no usable video: among many files, it is skipped and listed."""

ERRORS: tuple[type[ImfcodecError], ...] = (
    ImfcodecError,
    OptionError,
    InputUnreadable,
    NoVideoStream,
    NoFrames,
    UnsupportedVideo,
    OutputExists,
    OutputFailed,
    TargetMissed,
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
