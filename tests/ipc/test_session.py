"""Session folders: paths, ownership, and clearing what a killed session left."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from studio.core.errors import WorkerError
from studio.ipc.session import SessionFolder, clear_stale_sessions, make_session


def test_paths_lie_in_the_folder_and_do_not_clash(tmp_path: Path) -> None:
    session = SessionFolder(tmp_path / "one")
    makers = (session.ring_path, session.slot_path, session.config_path, session.log_path)
    paths = {make("plan") for make in makers}
    assert len(paths) == 4 and all(path.parent == session.path for path in paths)


def test_a_running_session_cannot_be_taken_over(tmp_path: Path) -> None:
    session = SessionFolder(tmp_path / "one").create()
    with pytest.raises(WorkerError, match="already running"):
        SessionFolder(tmp_path / "one").create()
    assert (session.path / "owner.pid").read_text() == str(os.getpid())
    session.remove()
    assert not session.path.exists()


def test_the_next_start_clears_what_a_dead_owner_left_and_nothing_else(tmp_path: Path) -> None:
    living = SessionFolder(tmp_path / "living").create()
    dead = tmp_path / "dead"
    dead.mkdir()
    (dead / "owner.pid").write_text("1")
    (dead / "control.ring").write_bytes(b"x")
    foreign = tmp_path / "foreign"
    foreign.mkdir()
    assert clear_stale_sessions(tmp_path) == [dead]
    assert living.path.exists() and foreign.exists() and not dead.exists()
    living.remove()


def test_two_sessions_of_one_process_have_different_folders(tmp_path: Path) -> None:
    assert make_session(tmp_path).path != make_session(tmp_path).path
