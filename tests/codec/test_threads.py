"""Work that is shared out among threads."""

from __future__ import annotations

import threading

import torch

from imfcodec.codec.threads import own_threads, shared_out


def test_parts_run_side_by_side_with_one_torch_thread_each() -> None:
    both = threading.Barrier(2, timeout=20)

    def work(part: int) -> tuple[int, int, str]:
        both.wait()  # the second part has begun as well
        return part, torch.get_num_threads(), threading.current_thread().name

    with own_threads(2):
        done = list(shared_out(work, [3, 4]))
        assert torch.get_num_threads() == 2
    assert [part for part, _, _ in done] == [3, 4]
    assert [threads for _, threads, _ in done] == [1, 1]
    assert len({name for _, _, name in done}) == 2


def test_one_thread_needs_no_other() -> None:
    with own_threads(1):
        (name,) = shared_out(lambda _: threading.current_thread().name, [0])
    assert name == threading.current_thread().name
