"""The commissioning worker as a real process: a wizard's messages, a twin in real time, an end that lets go."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from studio.core.calibration import load_calibrations
from studio.ipc.messages import Message
from studio.ipc.session import SessionFolder
from studio.ipc.supervisor import Supervisor
from tests.patience import PATIENCE_S


class Wizard:
    """What the window will be: sends messages, hears the state."""

    def __init__(self, folder: Path) -> None:
        self.session = SessionFolder(folder).create()
        self.supervisor = Supervisor(self.session)
        self.heard: list[Message] = []
        self.supervisor.start("commission", "studio.workers.commission", {})
        self.wait(lambda m: m.name == "ready")

    def send(self, name: str, **values: Any) -> None:
        self.supervisor.send("commission", Message(name=name, values=values))

    def wait(self, fits: Callable[[Message], bool]) -> Message:
        deadline_s = time.monotonic() + PATIENCE_S
        while time.monotonic() < deadline_s:
            self.heard += [message for _, message in self.supervisor.poll()]
            while self.heard:
                message = self.heard.pop(0)
                if fits(message):
                    return message
            time.sleep(0.01)
        raise AssertionError("the worker did not say it")

    def begin(self, **values: Any) -> None:
        self.send("begin", **values)
        self.wait_for_question("free")
        self.send("answer", choice="done")

    def wait_for_question(self, key: str) -> dict[str, Any]:
        found = self.wait(lambda m: m.name == "state" and (m.values["question"] or {}).get("key") == key)
        return found.values

    def close(self) -> None:
        self.supervisor.stop_all()
        self.session.remove()


@pytest.fixture
def wizard(tmp_path: Path) -> Iterator[Wizard]:
    made = Wizard(tmp_path / "session")
    yield made
    made.close()


def test_a_wizard_checks_a_position(wizard: Wizard, tmp_path: Path) -> None:
    wizard.begin(joint="leader.L1", check="position", folder=str(tmp_path / "kept"))
    state = wizard.wait_for_question("first_pin")
    assert state["phase"] == "asking" and state["steps"][0] == {"name": "reply", "title": "The motor answers"}
    assert state["sample"]["age_s"] < 60 and state["passed"]["reply"]["reply_bytes"] == 8
    wizard.send("begin", joint="leader.L2")
    assert "is being commissioned" in wizard.wait(lambda m: m.name == "said").values["text"]
    wizard.send("answer", choice="perhaps")
    assert "was not expected" in wizard.wait(lambda m: m.name == "said").values["text"]
    wizard.send("answer", choice="done")
    wizard.wait_for_question("second_pin")
    wizard.send("answer", choice="done")
    finished = wizard.wait(lambda m: m.name == "finished").values
    assert finished["passed"] and finished["phase"] == "finished"
    kept = load_calibrations(tmp_path / "kept")
    assert kept.identity == finished["identity"] and kept.motors["leader.L1"].number("position", "ratio") is not None


def test_a_refusal_waits_for_a_decision_and_the_next_motor_can_begin(wizard: Wizard, tmp_path: Path) -> None:
    wizard.begin(check="position", rehearse="no_reply", folder=str(tmp_path / "kept"))
    state = wizard.wait(lambda m: m.name == "state" and m.values["phase"] == "refused").values
    assert "does not answer" in state["refusals"][0]["reason"]
    wizard.send("leave")
    finished = wizard.wait(lambda m: m.name == "finished").values
    assert not finished["passed"] and finished["file"] is None
    wizard.send("discover", drive_id=5)
    found = wizard.wait(lambda m: m.name == "discovery").values
    assert [drive["id"] for drive in found["drives"]] == [5] and "legacy MIT" in found["drives"][0]["sentence"]
    wizard.send("begin", check="position", model="AK60-9", folder=str(tmp_path / "kept"))
    assert "Two data sets exist" in wizard.wait(lambda m: m.name == "said").values["text"]
    wizard.send("begin", check="position", nonsense=1)
    assert "unknown key 'nonsense'" in wizard.wait(lambda m: m.name == "said").values["text"]


def test_abort_and_the_end_of_the_session_keep_what_has_passed(wizard: Wizard, tmp_path: Path) -> None:
    wizard.begin(check="position", folder=str(tmp_path / "a"))
    wizard.wait_for_question("first_pin")
    wizard.send("abort")
    assert wizard.wait(lambda m: m.name == "finished").values["phase"] == "aborted"
    assert set(load_calibrations(tmp_path / "a").motors["leader.L1"].steps) == {"reply"}
    wizard.begin(check="position", folder=str(tmp_path / "b"))
    wizard.wait_for_question("first_pin")
    wizard.supervisor.stop("commission")
    assert set(load_calibrations(tmp_path / "b").motors["leader.L1"].steps) == {"reply"}
