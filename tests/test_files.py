"""A file that is being written is seen whole or not at all."""

import errno
import os
from pathlib import Path

import pytest

from core.files import written_aside


def names(folder):
    return [path.name for path in folder.iterdir()]


def test_the_old_file_stays_until_the_new_one_is_whole(tmp_path):
    path = tmp_path / "file"
    path.write_bytes(b"old")
    with written_aside(path) as file:
        file.write(b"new, and longer")
        file.flush()
        assert path.read_bytes() == b"old"
    assert path.read_bytes() == b"new, and longer"
    assert names(tmp_path) == ["file"]


@pytest.mark.parametrize("durable", [False, True])
def test_what_goes_wrong_leaves_the_old_file_and_no_other(tmp_path, durable):
    path = tmp_path / "file"
    path.write_bytes(b"old")

    def fill_the_disk():
        with written_aside(path, durable=durable) as file:
            file.write(b"half")
            raise OSError(errno.ENOSPC, "full")

    with pytest.raises(OSError, match="full"):
        fill_the_disk()
    assert path.read_bytes() == b"old"
    assert names(tmp_path) == ["file"]


def test_a_folder_that_is_gone_is_not_made_again(tmp_path):
    with pytest.raises(FileNotFoundError), written_aside(tmp_path / "deleted" / "file"):
        pass
    assert not names(tmp_path)


def test_two_writers_of_one_file_do_not_meet(tmp_path):
    path = tmp_path / "file"
    with written_aside(path) as one, written_aside(path) as other:
        one.write(b"one")
        other.write(b"other")
    assert path.read_bytes() == b"one"  # whose block ended last
    assert names(tmp_path) == ["file"]


def test_the_content_and_the_name_are_synced_before_a_durable_write_returns(tmp_path, monkeypatch):
    synced, real = [], os.fsync

    def fsync(descriptor):
        synced.append(str(Path(f"/proc/self/fd/{descriptor}").readlink()))
        real(descriptor)

    monkeypatch.setattr(os, "fsync", fsync)
    with written_aside(tmp_path / "file", durable=True) as file:
        file.write(b"content")
    assert len(synced) == 2
    assert synced[0].endswith(".part")
    assert synced[1] == str(tmp_path)
