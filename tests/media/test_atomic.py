from __future__ import annotations

import os
import stat
from pathlib import Path

import pytest

from imfcodec.errors import OutputExists, OutputFailed
from imfcodec.media import AtomicOutput, writing


def names(folder: Path) -> list[str]:
    return sorted(path.name for path in folder.iterdir())


def test_the_target_appears_on_commit(tmp_path):
    target = tmp_path / "out.bin"
    with AtomicOutput(target) as output:
        output.file.write(b"abc")
        assert not target.exists()
        (hidden,) = names(tmp_path)
        assert hidden.startswith(".out.bin.")
        assert hidden.endswith(".part")
    assert target.read_bytes() == b"abc"
    assert names(tmp_path) == ["out.bin"]


def test_permissions_are_the_usual_ones(tmp_path):
    with AtomicOutput(tmp_path / "new") as output:
        output.file.write(b"x")
    (tmp_path / "plain").touch()
    usual = stat.S_IMODE((tmp_path / "plain").stat().st_mode)
    assert stat.S_IMODE((tmp_path / "new").stat().st_mode) == usual
    (tmp_path / "new").chmod(0o640)
    with AtomicOutput(tmp_path / "new", overwrite=True) as output:
        output.file.write(b"y")
    assert stat.S_IMODE((tmp_path / "new").stat().st_mode) == 0o640


def test_a_failure_leaves_nothing_and_the_old_file(tmp_path):
    target = tmp_path / "out.bin"
    target.write_bytes(b"old")

    def fail() -> None:
        with AtomicOutput(target, overwrite=True) as output:
            output.file.write(b"new")
            raise RuntimeError

    with pytest.raises(RuntimeError):
        fail()
    assert target.read_bytes() == b"old"
    assert names(tmp_path) == ["out.bin"]


def test_an_existing_file_is_refused_at_once(tmp_path):
    target = tmp_path / "out.bin"
    target.write_bytes(b"old")
    with pytest.raises(OutputExists, match=r"out\.bin"):
        AtomicOutput(target)
    assert names(tmp_path) == ["out.bin"]


def test_a_file_that_appears_meanwhile_is_kept(tmp_path):
    target = tmp_path / "out.bin"
    output = AtomicOutput(target)
    target.write_bytes(b"other")
    with pytest.raises(OutputExists):
        output.commit()
    assert target.read_bytes() == b"other"
    assert names(tmp_path) == ["out.bin"]


@pytest.mark.parametrize("path", ["missing/out.bin", "."])
def test_a_target_that_cannot_be_written(tmp_path, path):
    with pytest.raises(OutputFailed):
        AtomicOutput(tmp_path / path)


def test_a_symbolic_link_stays_a_link(tmp_path):
    (tmp_path / "real").write_bytes(b"old")
    (tmp_path / "link").symlink_to("real")
    with AtomicOutput(tmp_path / "link", overwrite=True) as output:
        output.file.write(b"new")
    assert (tmp_path / "link").is_symlink()
    assert (tmp_path / "real").read_bytes() == b"new"


def test_devices_are_written_in_place():
    with AtomicOutput("/dev/null") as output:
        output.file.write(b"abc")
    assert Path("/dev/null").is_char_device()


def test_fifos_are_written_in_place(tmp_path):
    fifo = tmp_path / "fifo"
    os.mkfifo(fifo)
    reader = os.open(fifo, os.O_RDONLY | os.O_NONBLOCK)
    with AtomicOutput(fifo) as output:
        output.file.write(b"abc")
    assert os.read(reader, 10) == b"abc"
    os.close(reader)
    assert names(tmp_path) == ["fifo"]


def test_a_full_disk_is_our_error():
    output = AtomicOutput("/dev/full")
    output.file.write(b"abc")
    with pytest.raises(OutputFailed, match="space"):
        output.commit()


def test_errors_inside_writing_are_ours():
    with pytest.raises(OutputFailed, match="name: disk"), writing("name"):
        raise OSError(5, "disk on fire")
