"""Files that are there whole or not at all."""

from pathlib import Path

import pytest

from studio.core.errors import DataError
from studio.core.whole_file import write_whole


def test_it_replaces_what_was_there_and_leaves_nothing_beside(tmp_path: Path) -> None:
    path = tmp_path / "new folder" / "L1.toml"
    assert write_whole(path, "a = 1\n") == path
    write_whole(path, "a = 2\n")
    assert path.read_text() == "a = 2\n" and [file.name for file in path.parent.iterdir()] == ["L1.toml"]


def test_a_place_that_cannot_be_written_is_said_and_the_old_file_stays(tmp_path: Path) -> None:
    path = write_whole(tmp_path / "L1.toml", "a = 1\n")
    path.with_suffix(".new").mkdir()
    with pytest.raises(DataError, match="cannot be written"):
        write_whole(path, "a = 2\n")
    assert path.read_text() == "a = 1\n"
