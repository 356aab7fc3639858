from __future__ import annotations

import inspect

from imfcodec import errors

EXIT_CODES = {
    "ImfcodecError": 1,
    "OptionError": 2,
    "InputUnreadable": 3,
    "NoVideoStream": 4,
    "NoFrames": 5,
    "UnsupportedVideo": 6,
    "OutputExists": 7,
    "OutputFailed": 8,
    "TargetMissed": 9,
    "NotImfStream": 10,
    "UnsupportedVersion": 11,
    "CorruptStream": 12,
    "LimitExceeded": 13,
    "DamagedStream": 14,
    "WeightsMissing": 20,
    "WeightsCorrupt": 21,
    "KeyframeCodecError": 22,
}
"""Scripts depend on these: lines may be added, never changed."""


def test_exit_codes_are_pinned() -> None:
    assert {error.__name__: error.exit_code for error in errors.ERRORS} == EXIT_CODES


def test_no_two_causes_share_an_exit_code() -> None:
    codes = [error.exit_code for error in errors.ERRORS]
    assert len(set(codes)) == len(codes)
    # 0 is success; shells use 126 and above for their own failures and for signals.
    assert all(0 < code < 126 for code in codes)


def test_every_error_is_listed_and_documented() -> None:
    classes = [
        thing
        for _, thing in inspect.getmembers(errors, inspect.isclass)
        if issubclass(thing, Exception)
    ]
    assert set(classes) - {errors.Stopped} == set(errors.ERRORS)  # a signal is no error
    for error in errors.ERRORS:
        assert issubclass(error, errors.ImfcodecError)
        assert "exit_code" in vars(error), f"{error.__name__} inherits another's exit code"
        assert error.__doc__
