from __future__ import annotations

from pathlib import Path

import pytest

from studio.core.errors import ConfigError
from studio.core.task import load_task, make_task


def test_the_box_task_as_shipped() -> None:
    task = load_task("move_box")
    assert task.state_size == 28
    assert task.span("object_rotation") == slice(19, 28)
    assert task.symmetry == "cube"
    assert make_task(task.to_json()) == task


def test_a_task_of_the_future_is_refused() -> None:
    with pytest.raises(ConfigError, match="format_version is 9"):
        make_task({"format_version": 9})


def test_a_rotation_needs_nine_numbers(tmp_path: Path) -> None:
    path = tmp_path / "bad.toml"
    path.write_text(
        'format_version = 1\nname = "bad"\ntitle = "Bad"\n'
        '[[state]]\nname = "r"\nstream = "s"\nfield = "f"\nsize = 4\nkind = "rotation"\n'
    )
    with pytest.raises(ConfigError, match="needs 9"):
        load_task(path)
