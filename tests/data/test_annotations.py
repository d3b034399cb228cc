"""The journal: nothing is lost, everything undoes, half a line is no harm."""

from __future__ import annotations

from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from studio.core.errors import ConfigError, DataError
from studio.data.annotations import Journal


def test_labels_marks_and_facts_survive_reopening(tmp_path: Path) -> None:
    journal = Journal(tmp_path, author="mo")
    label = journal.add("label", "push", 100, 900, key=3)
    journal.add("mark", "here", 50)
    journal.set_outcome("success")
    journal.set_left_out(True)
    again = Journal(tmp_path, author="li")
    assert [(i.kind, i.text, i.start_ns, i.end_ns, i.key, i.author) for i in again.items] == [
        ("mark", "here", 50, 50, 0, "mo"),
        ("label", "push", 100, 900, 3, "mo"),
    ]
    assert (again.outcome, again.left_out) == ("success", True)
    again.change(label.id, end_ns=1200, text="pull")
    assert [(i.text, i.end_ns) for i in again.labels] == [("pull", 1200)]
    again.remove(label.id)
    assert again.labels == [] and again.history[-1]["author"] == "li"
    assert len((tmp_path / "annotations.jsonl").read_text().splitlines()) == 6  # append-only


def test_undo_and_redo_go_all_the_way_and_come_back(tmp_path: Path) -> None:
    journal = Journal(tmp_path, author="mo")
    versions = [journal.version]
    label = journal.add("label", "push", 0, 10)
    versions.append(journal.version)
    journal.change(label.id, text="pull")
    versions.append(journal.version)
    journal.remove(label.id)
    versions.append(journal.version)
    assert versions[0] == versions[3] and len(set(versions)) == 3
    for expected in (versions[2], versions[1], versions[0]):
        assert journal.undo() and journal.version == expected
    assert not journal.can_undo and not journal.undo()
    assert journal.redo() and journal.version == versions[1]
    journal.add("mark", "new", 5)
    assert not journal.can_redo and not journal.redo()
    assert Journal(tmp_path).version == journal.version


@settings(max_examples=25, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(st.lists(st.sampled_from(["add", "remove", "outcome", "undo", "redo"]), max_size=14))
def test_reading_again_always_gives_the_same(tmp_path: Path, edits: list[str]) -> None:
    folder = tmp_path / str(len(list(tmp_path.iterdir())))
    folder.mkdir()
    journal = Journal(folder, author="a")
    for number, edit in enumerate(edits):
        if edit == "add":
            journal.add("label", f"l{number}", number, number + 1)
        elif edit == "remove" and journal.items:
            journal.remove(journal.items[0].id)
        elif edit == "outcome":
            journal.set_outcome("failure" if number % 2 else "success")
        elif edit in ("undo", "redo"):
            getattr(journal, edit)()
    again = Journal(folder)
    assert (again.items, again.outcome, again.version, again.can_redo) == (
        journal.items,
        journal.outcome,
        journal.version,
        journal.can_redo,
    )


def test_half_a_last_line_is_dropped_and_overwritten(tmp_path: Path) -> None:
    journal = Journal(tmp_path)
    journal.add("mark", "one", 1)
    with journal.path.open("ab") as file:
        file.write(b'{"do": "add", "ite')
    again = Journal(tmp_path)
    again.add("mark", "two", 2)
    assert [item.text for item in Journal(tmp_path).items] == ["one", "two"]


@pytest.mark.parametrize(
    "line", ["hello", "[]", '{"do": "explode"}', '{"do": "add", "item": {"x": 1}}', '{"do": "set"}']
)
def test_foreign_lines_are_named(tmp_path: Path, line: str) -> None:
    (tmp_path / "annotations.jsonl").write_text(line + "\n")
    with pytest.raises(DataError, match="line 1: not a journal entry"):
        Journal(tmp_path)


def test_impossible_labels_are_refused(tmp_path: Path) -> None:
    journal = Journal(tmp_path)
    with pytest.raises(ConfigError, match="before its start"):
        journal.add("label", "x", 10, 5)
    with pytest.raises(ConfigError, match="key is 9"):
        journal.add("label", "x", 0, 5, key=9)
    with pytest.raises(ConfigError, match="Outcome is 'maybe'"):
        journal.set_outcome("maybe")  # type: ignore[arg-type]
    with pytest.raises(DataError, match="no annotation 'nothing'"):
        journal.remove("nothing")
    assert not journal.path.exists()
