"""An encoder in a separate process, which is started again if it hangs.

SVT-AV1 sometimes waits for its own threads for ever, and nothing inside the process can end that.

    parent ─ task as JSON ─► python -m imfcodec.bench.codecs.watched ─ a dot per packet, result ─►
"""

from __future__ import annotations

import dataclasses
import json
import os
import selectors
import subprocess
import sys
from contextlib import suppress
from fractions import Fraction
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any

from imfcodec.bench.clip import Clip
from imfcodec.bench.codecs.codec import Encoded
from imfcodec.errors import ERRORS, ImfcodecError, OutputFailed

if TYPE_CHECKING:
    from imfcodec.bench.codecs.pyav import PyAvAnchor

SILENCE_S = 60.0
"""Between two packets; the slowest preset takes a few seconds for as many as it looks ahead."""

ATTEMPTS = 3

_COMMAND = (sys.executable, "-m", "imfcodec.bench.codecs.watched")


def encode_watched(codec: PyAvAnchor, clip: Clip, setting: str, folder: Path) -> Encoded:
    """`codec.encode_here` in a process that is killed, and begun again, when it falls silent.

    Raises:
        OutputFailed: It hung every time, or died.
        ImfcodecError: As the encoder in the process.
    """
    task = {
        "codec": dataclasses.asdict(codec),
        "clip": dataclasses.asdict(clip),
        "setting": setting,
        "folder": folder,
    }
    for _ in range(ATTEMPTS):
        answer = _run(json.dumps(task, default=str).encode())
        if answer is not None:
            return _encoded(answer, codec.name)
    raise OutputFailed(f"{codec.name}: no packet for {SILENCE_S:.0f} s, {ATTEMPTS} times")


def _run(task: bytes) -> bytes | None:
    """What the process writes, less its dots; None if it hung."""
    with (
        subprocess.Popen(_COMMAND, stdin=subprocess.PIPE, stdout=subprocess.PIPE) as process,
        selectors.DefaultSelector() as selector,
    ):
        assert process.stdin is not None
        assert process.stdout is not None
        try:
            with suppress(BrokenPipeError):  # it died, as its silence will tell
                process.stdin.write(task)
                process.stdin.close()
            selector.register(process.stdout, selectors.EVENT_READ)
            answer = b""
            while selector.select(SILENCE_S):
                part = os.read(process.stdout.fileno(), 1 << 16)
                if not part:
                    return answer.lstrip(b".")
                answer += part
            return None
        finally:
            process.kill()


def _encoded(answer: bytes, name: str) -> Encoded:
    if not answer:
        raise OutputFailed(f"{name}: its process died")
    fields: dict[str, Any] = json.loads(answer)
    if "error" in fields:
        kinds = {kind.__name__: kind for kind in ERRORS}
        raise kinds.get(fields["error"], OutputFailed)(fields["message"])
    return Encoded(**{**fields, "path": Path(fields["path"])})


def main() -> None:
    """Encode what standard input asks for."""
    from imfcodec.bench.codecs.pyav import PyAvAnchor
    from imfcodec.bench.codecs.sampling import Sampling

    task = json.load(sys.stdin)
    codec = PyAvAnchor(**{**task["codec"], "sampling": Sampling(**task["codec"]["sampling"])})
    clip = Clip(**task["clip"])
    clip = dataclasses.replace(clip, path=Path(clip.path), rate=Fraction(clip.rate))
    tell = partial(print, end=".", flush=True)  # this is how the parent listens
    try:
        encoded = codec.encode_here(clip, task["setting"], Path(task["folder"]), tell)
        answer = dataclasses.asdict(encoded)
    except ImfcodecError as error:
        answer = {"error": type(error).__name__, "message": str(error)}
    print(json.dumps(answer, default=str))  # noqa: T201


if __name__ == "__main__":
    main()
