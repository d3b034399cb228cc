"""`commission`: rehearsed on twins, with a person at a terminal, and discovery over a python-can bus."""

from __future__ import annotations

import contextlib
import json
import tomllib
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from hw_drivers.bus.can_bus import PythonCanBus
from hw_drivers.commissioning.discovery import Dialect, Discovery, discover
from hw_drivers.commissioning.link import MotorLink
from hw_drivers.commissioning.machine import CHECKS, Commissioning, Phase
from hw_drivers.commissioning.twin_bench import TwinOperator, make_drive
from hw_drivers.commissioning.work import Ask, CommissionSettings
from hw_drivers.motors.dialect_twin import DriveTwin, TwinBus
from hw_drivers.motors.models import find_range
from studio.cli import commission
from studio.cli.main import main
from studio.core.calibration import MotorCalibration
from studio.core.clock import SteppedClock, WallClock
from studio.core.errors import DeviceError
from studio.core.protocols import CanFrame
from studio.workers import bench
from tests.patience import PATIENCE_S, wait_for_it
from tests.process.arm_twins import ArmTwins


def _run(capsys: pytest.CaptureFixture[str], *words: str) -> tuple[int, Any]:
    code = main(["commission", *words, "--json", "-"])
    return code, json.loads(capsys.readouterr().out)


def test_a_rehearsal_keeps_its_results(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    code, result = _run(capsys, "--out", str(tmp_path), "--joint", "follower.R4", "--id", "7")
    assert code == 0 and result["passed"] and result["refusals"] == [] and result["silence"] == "lets_go"
    kept = tomllib.loads((tmp_path / "follower.R4.toml").read_text())
    assert kept["drive_id"] == 7 and kept["steps"]["position"]["ratio"] == result["steps"]["position"]["ratio"]
    assert kept["steps"]["torque"]["date"].endswith("+00:00")
    code, again = _run(capsys, "--out", str(tmp_path), "--joint", "follower.R4", "--id", "7", "--check", "torque")
    assert code == 0 and set(again["steps"]) == set(result["steps"])  # the others are kept


def test_a_refusal_takes_an_old_result_away(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    words = ("--out", str(tmp_path), "--check", "gear")
    assert _run(capsys, *words)[0] == 0
    code, result = _run(capsys, *words, "--rehearse", "wrong_gear")
    assert code == 4 and result["refusals"][0]["step"] == "position" and "9:1 gear" in result["refusals"][0]["reason"]
    assert "position" not in tomllib.loads((tmp_path / "leader.L1.toml").read_text())["steps"]
    code, result = _run(capsys, "--out", str(tmp_path), "--check", "torque")
    assert code == 4 and "No torque before position" in result["refusals"][0]["reason"]


def test_another_motor_starts_afresh(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert _run(capsys, "--out", str(tmp_path), "--check", "gear")[0] == 0
    code, result = _run(capsys, "--out", str(tmp_path), "--check", "torque", "--id", "2")
    assert code == 4 and set(result["steps"]) == {"reply"}


@pytest.mark.parametrize("truth", ["AK60-6", "AK80-9"])
def test_an_unresolved_model_is_decided(truth: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    words = ("--out", str(tmp_path), "--model", "AK60-9", "--check", "gear", "--twin-model", truth)
    code, result = _run(capsys, *words)
    assert code == 0 and result["model"] == truth


def test_discovery_on_a_twin(capsys: pytest.CaptureFixture[str]) -> None:
    code, result = _run(capsys, "--check", "discover", "--id", "9")
    assert code == 0 and [(d["id"], d["dialect"]) for d in result["drives"]] == [(9, "legacy")]
    assert result["drives"][0]["temperature_offset_c"] == -40.0
    code, result = _run(capsys, "--check", "discover", "--rehearse", "no_reply")
    assert code == 4 and result["drives"] == [] and "zero-torque question" in result["advice"]


class Person:
    """Standard input, typed by someone who does what the line before asked."""

    def __init__(self, drive: DriveTwin, words: Callable[[Ask], str] | None = None) -> None:
        self.operator = TwinOperator(drive=drive, settings=CommissionSettings())
        self.words = words or self.operator.respond
        self.asked: list[str] = []

    def ask(self, text: str, choices: tuple[str, ...]) -> str:
        self.asked.append(text)
        keys = {"first pin": "first_pin", "second pin": "second_pin", "to and fro": "move", "rest somewhere": "rest"}
        keys |= {"positive direction": "positive", "level lever": "weight", "Clamp": "clamp", "fixture": "fixture"}
        key = next((name for words, name in keys.items() if words in text), "other")
        return self.words(Ask(key, text, choices))


def _at_the_bench(monkeypatch: pytest.MonkeyPatch, rehearsal: str, words: Callable[[Ask], str] | None = None) -> Person:
    clock = SteppedClock()
    drive = make_drive(find_range("AK60-6"), 1, rehearsal)
    bus = TwinBus([drive], clock)
    person = Person(drive, words)
    monkeypatch.setattr(bench, "open_bus", lambda where: (bus, clock))
    monkeypatch.setattr(commission, "_ask", person.ask)
    return person


def test_a_person_at_the_terminal(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    person = _at_the_bench(monkeypatch, "none")
    code, result = _run(capsys, "--bus", "socketcan:can0", "--out", str(tmp_path))
    assert code == 0 and result["passed"] and result["bus"] == "socketcan:can0"
    assert any("first pin" in text for text in person.asked) and len(person.asked) >= 9


def test_a_person_who_goes_away_leaves_a_motor_that_is_off(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    def leave(question: Ask) -> str:
        if question.key == "weight":
            raise KeyboardInterrupt
        return person.operator.respond(question)

    person = _at_the_bench(monkeypatch, "none", leave)
    assert main(["commission", "--bus", "socketcan:can0", "--out", str(tmp_path)]) == 1
    assert person.operator.drive.torque_units == 0.0
    assert "stopped by you" in capsys.readouterr().err
    kept = tomllib.loads((tmp_path / "leader.L1.toml").read_text())
    assert list(kept["steps"]) == ["reply", "position", "velocity"]  # what was done is kept


def test_a_refused_step_is_offered_again(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    def once(question: Ask) -> str:
        if question.choices == ("again", "leave"):
            return "again" if person.asked.count("Run it again?") == 1 else "leave"
        return person.operator.respond(question)

    person = _at_the_bench(monkeypatch, "wrong_gear", once)
    code, result = _run(capsys, "--bus", "socketcan:can0", "--check", "position", "--out", str(tmp_path))
    assert code == 4 and len(result["refusals"]) == 1
    assert sum("first pin" in text for text in person.asked) == 2


def test_what_is_typed(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> None:
    class Typed:
        lines = iter(["maybe\n", "NO\n", "\n"])

        def readline(self) -> str:
            return next(self.lines, "")

    monkeypatch.setattr("sys.stdin", Typed())
    assert commission._ask("Sure?", ("yes", "no")) == "no"
    assert commission._ask("Ready?", ("done",)) == "done"
    with pytest.raises(commission.ConfigError, match="needs a person at the terminal"):
        commission._ask("Ready?", ("done",))
    assert "Sure? [yes or no]" in capsys.readouterr().err


class AnsweringBus(PythonCanBus):
    """A python-can bus with a drive twin at its far end, which answers before every reception: no thread is needed."""

    drive: DriveTwin
    far: PythonCanBus

    def receive(self, timeout_s: float) -> CanFrame | None:
        now_ns = WallClock().now_ns()
        frames = self.drive.advance(now_ns)
        while (question := self.far.receive(0.0)) is not None:
            frames += self.drive.receive(question, now_ns)
        for frame in frames:
            self.far.send(frame)
        return super().receive(min(timeout_s, 0.002))


@pytest.mark.parametrize(("firmware", "dialect"), [("legacy", Dialect.LEGACY), ("v3", Dialect.STATUS)])
def test_discovery_over_python_can(firmware: str, dialect: Dialect) -> None:
    clock = WallClock()
    bus = AnsweringBus("virtual", f"discovery-{firmware}", clock)
    bus.far = PythonCanBus("virtual", f"discovery-{firmware}", clock)
    bus.drive = make_drive(find_range("AK60-6", firmware), 3)
    bus.drive.power_on(clock.now_ns())
    try:
        found = search(lambda: discover(bus, clock, [2, 3], listen_s=0.3, answer_s=0.2), 1)
    finally:
        bus.close()
        bus.far.close()
    assert found == [(3, dialect)]


def search(discover_once: Callable[[], Discovery], drives: int) -> list[tuple[int, Dialect]]:
    """What was found once as many drives as there are have answered: a busy machine may answer too late."""
    found: list[tuple[int, Dialect]] = []

    def all_answered() -> bool:
        found[:] = [(drive.drive_id, drive.dialect) for drive in discover_once().drives]
        return len(found) >= drives

    wait_for_it(all_answered, "every drive is found")
    return found


def test_over_a_serial_line_to_drives_in_their_own_process(tmp_path: Path) -> None:
    """The whole path: our link, python-can, pyserial, a pseudo-terminal, slcan, the drives."""
    twins, clock = ArmTwins("leader", tmp_path / "bus"), WallClock()
    try:
        bus = PythonCanBus("slcan", str(twins.link), clock, sleep_after_open=0.0)
        with contextlib.closing(bus):
            found = search(lambda: discover(bus, clock, [2, 3, 30], listen_s=0.2, answer_s=1.0), 2)
            assert found == [(2, Dialect.LEGACY), (3, Dialect.LEGACY)]
            row = find_range("AK60-6")
            calibration = MotorCalibration(joint="x", drive_id=2, model=row.model, firmware="legacy", source=row.source)
            machine = Commissioning(MotorLink(bus, clock, row, 2), CommissionSettings(), calibration, CHECKS["zero"])
            end_ns = clock.now_ns() + int(PATIENCE_S * 1e9)
            while machine.phase is not Phase.FINISHED and clock.now_ns() < end_ns:
                if machine.phase is Phase.REFUSED:
                    machine.again()  # a busy machine may have kept the twin from answering in time
                machine.answer("done") if machine.question is not None else machine.tick()
            assert machine.passed, machine.refusals
            assert abs(machine.sample.reply.position_rad) < 0.01
    finally:
        twins.close()
    assert machine.calibration.number("reply", "reply_bytes") == 8


WRONG = [
    (2, "--model", "AK60-9"),
    (2, "--model", "AK80-6", "--firmware", "v3"),
    (2, "--check", "dance"),
    (2, "--rehearse", "dance"),
    (2, "--bus", "can0"),
    (2, "--bus", "canbus:can0"),
    (2, "--set", "direction=2"),
    (4, "--bus", "slcan:/dev/there-is-no-such-adapter"),
    (2, "--set", "mass_kg=-1"),
    (2, "--set", "weight=1"),
    (2, "--motor", "torque_nm=0"),
    (2, "--id", "999"),
    (3, "--joint", "../x"),
]


@pytest.mark.parametrize("words", WRONG, ids=lambda words: " ".join(map(str, words)))
def test_wrong_use_is_one_clear_line(
    words: tuple[Any, ...], tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(["commission", "--out", str(tmp_path), *words[1:]]) == words[0]
    said = capsys.readouterr().err
    assert said.startswith("error: ") and said.count("\n") == 1
    assert list(tmp_path.iterdir()) == []


def test_a_bus_that_dies_under_torque_lets_go(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    person = _at_the_bench(monkeypatch, "none")
    bus, _ = bench.open_bus("x:y")
    send = bus.send
    monkeypatch.setattr(bus, "send", lambda frame: _broken(person.operator.drive, send, frame))
    assert main(["commission", "--bus", "socketcan:can0", "--out", str(tmp_path)]) == 4
    said = capsys.readouterr().err
    assert "the adapter is gone" in said and "may still give torque: cut its supply" in said


def _broken(drive: DriveTwin, send: Callable[[CanFrame], None], frame: CanFrame) -> None:
    if drive.torque_units > 0.3:
        raise DeviceError("CAN bus: the adapter is gone. Plug it in again.")
    send(frame)
