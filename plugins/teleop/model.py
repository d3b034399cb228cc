"""Teleoperation without Qt: what the band says, the gate, the coupling and the commands."""

from __future__ import annotations

import time
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from psygnal import Signal

from plugins.teleop.clock import CountDown, SessionClock
from plugins.teleop.config import LABELS, TeleopConfig
from plugins.teleop.coupling import SCHEMES, CouplingDesk, Range
from plugins.teleop.feel import TakePlayer
from plugins.teleop.incident import IncidentWatch, save_incident
from plugins.teleop.situation import Situation
from plugins.teleop.sound import ForceSound
from plugins.teleop.words import band_words, fault_words, lost_words, to_go_words
from studio.app.api import STATE_NAMES, STATE_WORDS, Loader, StudioApi
from studio.core.errors import DeviceError
from studio.core.records import Driver, PairState


@dataclass(frozen=True)
class Band:
    """What the state band shows."""

    state: str
    word: str
    fact: str
    following: str


class TeleopModel:
    """Everything the teleoperation screen decides; the panel only shows it."""

    sound_changed = Signal(bool)
    incident_changed = Signal()

    def __init__(self, studio: StudioApi, config: TeleopConfig | None = None) -> None:
        self.studio = studio
        self.config = config or TeleopConfig()
        robot = studio.robot
        stiffness, damping = (
            Range(low=low, high=high) for low, high in (self.config.stiffness_share, self.config.damping_share)
        )
        self.coupling = CouplingDesk(studio, (stiffness, damping))
        self.situation = Situation(robot)
        self.sound = ForceSound()
        self.clock = SessionClock(self.config.block_s, self.config.blocks)
        self.count_down = CountDown()
        self.player = TakePlayer(studio)
        self.watch = IncidentWatch()
        self.incident_path: Path | None = None
        self.leader_tips_m = np.zeros((robot.pairs, 3))
        self._loader = Loader("teleop")
        studio.state.link.events.worst.connect(self._state_changed)
        studio.state.recording.events.on.connect(self._take_ended)
        self._bind()

    def _bind(self) -> None:
        studio, bind = self.studio, self.studio.commands.bind
        bind("teleop.engage", self.engage, blocked=self.blocked_engage)
        bind("teleop.hold", studio.arms.hold, blocked=studio.arms.blocked_hold)
        bind("teleop.record", self.record, blocked=self._blocked_record)
        bind("teleop.mark", studio.recording.mark, blocked=studio.recording.blocked_stop)
        bind("teleop.redo", studio.recording.again, blocked=studio.recording.blocked_stop)
        bind("teleop.drop", studio.recording.discard, blocked=studio.recording.blocked_stop)
        bind("teleop.clear_fault", self.clear_fault, blocked=self._blocked_clear_fault)
        bind("teleop.softer", lambda: self.change_stiffness(-5.0))
        bind("teleop.stiffer", lambda: self.change_stiffness(5.0))
        bind("teleop.clutch", self.coupling.toggle_clutch, blocked=self._blocked_clutch)
        for scheme in SCHEMES:
            bind(f"teleop.scheme_{scheme}", self._make_scheme(scheme))
        bind("teleop.box_back", studio.arms.put_box_back)
        bind("teleop.sound", self.toggle_sound)
        bind("teleop.count_down", self.toggle_count_down)
        bind("teleop.new_session", self.clock.begin)
        bind("teleop.feel", lambda: self.player.toggle(self.leader_tips_m), blocked=self.player.blocked)
        bind("teleop.save_incident", self.save_incident, blocked=self._blocked_incident)
        bind("teleop.gamepad", self.toggle_gamepad)
        for key, word in enumerate(LABELS, start=1):
            bind(f"teleop.label_{key}", self._make_label(word), blocked=studio.recording.blocked_stop)

    def toggle_gamepad(self) -> None:
        """The first gamepad that is plugged in moves both hands; once more gives them back to the mouse."""
        studio = self.studio
        if studio.workers.alive("operator"):
            studio.workers.stop("operator")
            studio.notices.info("The mouse holds the hands again.")
            return
        found = sorted(Path("/dev/input/by-id").glob("*-event-joystick"))
        if not found:
            studio.notices.warn("No gamepad is plugged in. Plug one in, then try again.")
            return
        studio.workers.start("operator", pad=str(found[0]))
        studio.notices.info("The gamepad holds the hands: sticks across, shoulder buttons up, triggers down.")

    def _make_scheme(self, scheme: int) -> Any:
        return lambda: self.coupling.set_scheme(scheme)

    def _make_label(self, word: str) -> Any:
        return lambda: self.studio.recording.mark(word)

    # ---- state ---------------------------------------------------------------------------------------------------

    def engage(self) -> None:
        self.studio.arms.set_driver(Driver.OPERATOR)
        self.studio.arms.engage()

    def clear_fault(self) -> None:
        """Only a person does this; a latched dead-man is let go first, so that clearing never moves anything."""
        self.studio.input.set_dead_man(False)
        self.studio.arms.clear_fault()

    def _blocked_clear_fault(self) -> str:
        if self.studio.robot.dead_man_latched and self.studio.state.link.worst is PairState.FAULT:
            return ""
        return self.studio.arms.blocked_clear_fault()

    def blocked_engage(self) -> str:
        """Why Engage cannot be pressed. While a planner or a skill drives, it takes over."""
        link = self.studio.state.link
        if self.others_drive():
            return ""
        blocked = self.studio.arms.blocked_engage()
        return blocked if blocked or self.dead_man_ready else f"hold {link.dead_man_name} first"

    @property
    def dead_man_ready(self) -> bool:
        """Control would take Engage: it is latched by Engage itself, or held, as control sees it."""
        return bool(self.studio.robot.dead_man_latched) or self.studio.state.link.dead_man

    def others_drive(self) -> bool:
        """The arms move, and not by the person's hands."""
        link = self.studio.state.link
        return link.worst is PairState.ENGAGED and link.driver in (Driver.PLANNER, Driver.SKILL)

    def band(self, record: np.ndarray | None) -> Band:
        """The band for the newest control record (shape []) or None."""
        link, situation = self.studio.state.link, self.situation
        if not link.connected:
            return self._band_without_link()
        state = link.worst
        if state is PairState.FAULT:
            fact, following = fault_words(self.studio.robot, record, link.fault_text, self.studio.state.recording.on)
        else:
            to_go = "" if record is None else to_go_words(self.studio.robot.joint_names, record)
            fact, following = band_words(
                state, link.driver, self.touching(record), bool(self.studio.robot.dead_man_latched),
                hold=situation.hold, stopped_by_hand=situation.stopped_by_hand, to_go=to_go,
                clutch_open=record is not None and float(record["clutch"]) < 0.5, scripted=link.scripted_hand,
                dead_man=link.dead_man_name,
            )  # fmt: skip
        return Band(STATE_NAMES[state], STATE_WORDS[state], fact, following)

    def _band_without_link(self) -> Band:
        age_s, alive, link = self.situation.age_s, self.studio.workers.alive("control"), self.studio.state.link
        if link.lost and age_s is not None:
            return Band(link.state_name, link.text, *lost_words(age_s, alive))
        if alive:
            return Band("disabled", "Disabled", "Starting the loop.", "The arms can be engaged when it keeps its rate.")
        return Band("disabled", "Disabled", "The control loop does not run.", "Press Start again at the right.")

    def touching(self, record: np.ndarray | None) -> tuple[bool, ...]:
        """Which hands touch something, by the estimated contact force."""
        if record is None:
            return (False,) * self.studio.robot.pairs
        forces = np.linalg.norm(record["contact_force_n"], axis=-1)
        return tuple(bool(force > self.config.touch_n) for force in forces)

    # ---- coupling ------------------------------------------------------------------------------------------------

    def change_stiffness(self, step_nm_rad: float) -> None:
        self.coupling.set(stiffness_nm_rad=self.coupling.values["stiffness_nm_rad"] + step_nm_rad)

    def _blocked_clutch(self) -> str:
        driven = self.studio.state.link.worst is PairState.ENGAGED and not self.others_drive()
        return "" if driven or self.coupling.clutch_open else "engage the arms first"

    def _state_changed(self, state: PairState) -> None:
        if state not in (PairState.ENGAGED, PairState.ALIGNING):
            self.coupling.close_clutch()

    # ---- recording -----------------------------------------------------------------------------------------------

    def record(self) -> None:
        """Start a take (after the count-down, when it is on), or stop the one that runs or is about to."""
        recording = self.studio.recording
        if self.count_down.running:
            self.count_down.cancel()
        elif self.studio.state.recording.on:
            recording.stop()
        elif self.counts_down:
            self.count_down.begin(time.monotonic(), self.config.count_down_s)
        else:
            recording.start(split_s=self.config.split_s)

    def _blocked_record(self) -> str:
        return "" if self.studio.state.recording.on else self.studio.recording.blocked_start()

    @property
    def counts_down(self) -> bool:
        return bool(self.studio.settings.get("teleop.count_down"))

    def toggle_count_down(self) -> None:
        on = not self.counts_down
        self.studio.settings.set("teleop.count_down", on)
        seconds = f"{self.config.count_down_s:g} s"
        self.studio.notices.info(f"A take begins {seconds} after Record." if on else "A take begins at once.")

    def tick(self, now_s: float) -> None:
        """Keep the session's clock and the count-down, pull the hands along a take, fetch what threads have done."""
        recording = self.studio.state.recording
        sentence = self.clock.count(recording.on, recording.seconds)
        if sentence:
            self.studio.notices.warn(sentence)
        if self.count_down.is_over(now_s) and not recording.on:
            self.studio.recording.start(split_s=self.config.split_s)
        self.player.tick(now_s)
        for what, result in self._loader.poll():
            if what == "sound":
                self._sound_switched(result)
            else:
                self._incident_saved(*result)

    def _take_ended(self, on: bool) -> None:
        if not on:  # counted here, because the screen may be hidden
            self.clock.count(True, self.studio.state.recording.seconds)
            self.clock.count(False, 0.0)

    def take_records(self, records: np.ndarray) -> None:
        """Everything the control stream brought: the situation, and the 2 s before a fault."""
        self.situation.take(records)
        if len(records):
            self.coupling.adopt(records[-1])
        before = self.watch.incident
        self.watch.take(records)
        if self.studio.state.link.worst is not PairState.FAULT and (records["pair_state"] != PairState.FAULT).all():
            self.watch.clear()
            self.incident_path = None
        if before is not self.watch.incident:
            self.incident_changed.emit()

    # ---- incidents -----------------------------------------------------------------------------------------------

    def save_incident(self) -> None:
        """The fault and the 2 s before it as an episode in the project's folder `incidents`; then open it."""
        incident, kind = self.watch.incident, self.studio.streams.record_type("control")
        if self.incident_path is not None:
            self.studio.navigate("replay", episode=str(self.incident_path))
        elif incident is not None and kind is not None:
            config = {"robot": self.studio.robot.name, "task": self.studio.task.name,
                      "incident": self.studio.state.link.fault_text}  # fmt: skip
            self._loader.ask("incident", save_incident, self.studio.project.folder("incidents"), kind, incident, config)

    def _incident_saved(self, path: Path | None, error: Any) -> None:
        if path is not None:
            self.incident_path = path
            self.studio.notices.info(f"Incident saved: {path.relative_to(self.studio.project.path)}.")
        else:
            self.studio.notices.error(error)
        self.incident_changed.emit()

    def _blocked_incident(self) -> str:
        return "" if self.watch.incident is not None else "there is no fault"

    # ---- sound ---------------------------------------------------------------------------------------------------

    def toggle_sound(self) -> None:
        """Switch the force sound; without a sound card it stays off and a notice says so."""
        self._loader.ask("sound", _switch, self.sound)  # opening a sound card takes up to a second

    def _sound_switched(self, error: DeviceError | None) -> None:
        if error is not None:
            self.studio.notices.warn(str(error), detail=error.detail)
        elif self.sound.on:
            self.studio.notices.info(f"Force sound is on, {1000 * self.sound.latency_s:.0f} ms behind the force.")
        self.sound_changed.emit(self.sound.on)

    def close(self) -> None:
        self.studio.state.link.events.worst.disconnect(self._state_changed)
        self.studio.state.recording.events.on.disconnect(self._take_ended)
        self.player.close()
        self._loader.close()
        self.sound.stop()


def _switch(sound: ForceSound) -> DeviceError | None:
    try:
        sound.stop() if sound.on else sound.start()
    except DeviceError as error:
        return error
    return None


def make_model(studio: StudioApi) -> TeleopModel:
    return TeleopModel(studio)
