"""The wizard on a bus: python-can, pyserial and slcan to drives in a process of their own, which is then killed."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest
from PySide6.QtCore import Qt

from studio.core.calibration import calibration_dir, load_calibrations
from tests.plugins.devices.bench_window import Person
from tests.process.arm_twins import ArmTwins


@pytest.fixture
def drives(tmp_path: Path) -> Iterator[ArmTwins]:
    """Eight drives of the leader's side behind a pseudo-terminal."""
    made = ArmTwins("leader", tmp_path / "adapter")
    yield made
    made.close()


def test_a_motor_on_an_adapter_that_is_pulled_out(person: Person, drives: ArmTwins) -> None:
    model, place = person.model, f"slcan:{drives.link}"
    model.set_place(next(arm for arm in model.arms if arm.name == "L leader"), place)
    person.wait(lambda: place in model.facts["loads"], "the load of the bus is known")
    assert not model.facts["loads"][place]["refused"]
    person.key(Qt.Key.Key_L)
    person.wait(lambda: not model.search.running, "everybody was looked for")
    assert model.search.problems == {place: "Unexpected ids: 5, 6, 7, 8"}  # the right arm is on this line, too
    assert all(model.search.seen[f"leader.L{n}"]["dialect"] == "legacy" for n in (1, 2, 3, 4))
    person.choose("leader.L1")
    person.begin()
    person.key(Qt.Key.Key_Return)
    person.wait(lambda: person.asked("first_pin"), "the motor has answered")
    drives.kill()
    person.wait(person.over, "the adapter is missed")
    said = person.told()
    assert "The check has ended" in said and place.partition(":")[2] in said and "What had passed is kept" in said, said
    kept = load_calibrations(calibration_dir(model.studio.robot.name)).motors["leader.L1"]
    assert set(kept.steps) == {"reply"} and kept.bus == place
    assert person.window.session.alive("commission"), "the bench itself is well"
    person.key(Qt.Key.Key_Return)
    person.key(Qt.Key.Key_Return)
    check = model.check
    assert check is not None
    person.wait(lambda: bool(check.lost), "the adapter cannot be opened any more")
    assert "cannot be opened" in person.told()
