"""`tour --clicks`: a newcomer's first hour in the real window, by mouse and keys: play, train, three goals, watch.

The window is a process of its own, started as anybody starts it; every act goes through the X server
(`studio.cli.tour_person`). Nothing is waited for by the clock but the play itself: ten minutes, or a share of them.
"""

from __future__ import annotations

import re
import time
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from studio.cli.tour_person import NotSeenError, Person, open_window
from studio.core.errors import StudioError
from studio.methods.haptic_play.config import make_small

HOME = ".walk-home"  # of the window of this walk, inside the output folder; made anew
PLAY_S = 600.0  # ten minutes; everything that takes time is this walk's share of its full length
TYPED = ("25", "5", "10")  # x and y in mm, yaw in degrees: so near the box, as it is put back, that it counts at once
GOALS_M = ((0.06, 0.05), (0.0, -0.05))  # clicked, then dragged to
PATIENCE_S = 300.0
_PHASES = ("stage_1", "single", "chains", "stage_2", "value")
_STOPPED = ("stopped", "disabled")
_TAKES = 3  # one of them is held out, and what is left must be enough to learn from
_PLANS = 5  # seen live, at least
_HAND_S = 0.03  # between two moves of a drag


@dataclass(frozen=True, kw_only=True)
class WalkOptions:
    """How long, and where to.

    Args:
        out: folder for pictures, project and settings.
        share: of the full length: 1 is ten minutes of play and the preset `small` as it is.
        say: one line for each step.
        patience_s: of the person, for anything but play, training and goals.
    """

    out: Path
    share: float = 1.0
    say: Callable[[str], None] = lambda _text: None
    patience_s: float = PATIENCE_S


@dataclass
class Walk:
    """The walk and what was seen on it."""

    options: WalkOptions
    person: Person
    seen: dict[str, Any] = field(default_factory=dict)
    pictures: list[tuple[Path, str]] = field(default_factory=list)
    _last_engage_s: float = 0.0

    def walk(self) -> None:
        """From the first screen to the red button."""
        for title, step in (
            ("First steps: Start playing", self.begin),
            (f"Play: engage, record {self.play_s:.0f} s by a scripted hand", self.play),
            ("Train: press Train skills, watch the curves", self.train),
            ("Goals: type one, click one, drag one", self.choose_goals),
            ("Deploy: run all three, watch", self.deploy),
            ("Stop, and quit", self.stop),
        ):
            self.options.say(title)
            began_s = time.monotonic()
            step()
            self.seen.setdefault("steps_s", {})[title] = round(time.monotonic() - began_s, 1)

    @property
    def play_s(self) -> float:
        return PLAY_S * self.options.share

    def picture(self, name: str, caption: str) -> None:
        path = self.options.out / "pictures" / f"click-{len(self.pictures) + 1:02d}-{name}.png"
        self.pictures.append((self.person.hands.picture(path), caption))

    # ---- first steps and play ------------------------------------------------------------------------------------

    def begin(self) -> None:
        person = self.person
        person.wait("the first screen", lambda: person.find("Start playing"))
        person.wait("the window has the keys", lambda: person.state["active"], meanwhile=person.hands.give_focus)
        self._rest(1.0)
        self.picture("first-run", "The first screen: three ways in.")
        person.click("Start playing")
        person.wait("Teleoperate", lambda: person.state["screen"] == "teleop")
        person.wait("the loop runs", lambda: person.state["connected"])
        self._rest(2.0)
        self.picture("ready", "Ready: motors are off. Engage is the thing to press.")

    def play(self) -> None:
        """Engaged, the scripted hand plays, and it is recorded. What holds the arms is mended as a person does."""
        person = self.person
        person.click("Engage")
        played_s, last_s, pictured, takes = 0.0, time.monotonic(), False, 1
        end_s = last_s + 10 * self.play_s + self.options.patience_s
        while played_s < self.play_s:
            playing, now_s = self._keep_playing(), time.monotonic()
            played_s += (now_s - last_s) if playing else 0.0
            last_s = now_s
            if now_s > end_s:
                raise NotSeenError(f"Of {self.play_s:.0f} s of play only {played_s:.0f} s came.")
            if not pictured and played_s > self.play_s / 2:
                pictured = True
                self.picture("playing", "A scripted hand plays; the take is recorded.")
            if takes < _TAKES and playing and played_s > self.play_s * takes / _TAKES:
                takes += 1
                self._stop_take()  # the next look finds no take, and records again
            time.sleep(0.2)
        take = self._stop_take()
        if "operator" in person.state["workers"]:
            person.palette("scripted hand")
        person.wait("the hands are free", lambda: "operator" not in person.state["workers"])
        person.click("Put the box back")  # it stands where everybody knows it
        self.seen["play"] = {"played_s": round(played_s, 1), "episodes": take["closed"]}
        self.picture("played", "The take is closed; the hands are free again.")

    def _stop_take(self) -> dict[str, Any]:
        """The take as it is told once this one is counted, too: it stops first, and is closed a little later."""
        before = self.person.state["take"]["closed"]

        def closed() -> dict[str, Any] | None:
            take = self.person.state["take"]
            return take if take["closed"] > before and not take["on"] else None

        self.person.click("Stop take")
        return self.person.wait("the take is closed", closed)

    def _keep_playing(self) -> bool:
        """True while the arms are engaged, the scripted hand plays and a take runs; else the next thing to press."""
        state = self.person.state
        if state["robot"] != "engaged":
            self._help()
        elif "operator" not in state["workers"]:
            self.person.palette("scripted hand")
        elif not state["take"]["on"]:
            record = self.person.find("Record")
            if record is not None and record["enabled"]:
                self.person.click("Record")
                time.sleep(0.5)
        else:
            return True
        return False

    def _help(self) -> None:
        """Arms that hold, stopped or faulted (a machine that does other things): the keys a person presses then."""
        robot = self.person.state["robot"]
        if robot in ("engaged", "aligning") or time.monotonic() - self._last_engage_s < 2.0:
            return
        self._last_engage_s = time.monotonic()
        self.seen["helped"] = self.seen.get("helped", 0) + 1
        if robot == "fault":
            self.person.hands.key("Shift+C")
            time.sleep(0.5)
        self.person.hands.key("E")

    # ---- train ---------------------------------------------------------------------------------------------------

    def train(self) -> None:
        person = self.person
        person.click("Train")
        person.wait("Train is open", lambda: person.state["screen"] == "training")
        person.wait("the play is listed", lambda: self._says(r"\d+:\d\d min"))
        if self.options.share < 1.0:
            self._shorten()
        self.picture("train-form", "What to learn from, and how long.")
        person.click("Train skills")
        person.wait("training runs", lambda: self._run()["state"] == "running")
        self.seen["stages"] = stages = []
        pictured = False
        end_s = time.monotonic() + 60.0 * 60.0 * max(self.options.share, 0.2)
        while (run := self._run())["state"] in ("queued", "running"):
            if run["stage"] and run["stage"] not in stages:
                stages.append(run["stage"])
            if not pictured and run["steps"] and run["step"] > 0.5 * run["steps"]:
                pictured = True
                self.picture("training", "Training: curves, held-out points, and the time left as a range.")
            if time.monotonic() > end_s:
                raise NotSeenError(f"Training did not end: {run}")
            time.sleep(0.5)
        if run["state"] != "done":
            raise NotSeenError(f"Training ended as {run['state']}: {run['message']}")
        self.seen["train"] = {"steps": run["step"], "message": run["message"]}
        person.wait("See these skills", lambda: (found := person.find("See these skills")) and found["enabled"])
        self._rest(1.5)
        self.picture("trained", "Trained: what it reached, and what to press next.")

    def _shorten(self) -> None:
        """Open all settings and give each part its share of the preset's seconds."""
        person, small = self.person, make_small()
        person.click("All ")
        for name in _PHASES:
            seconds = max(2, round(getattr(small, name).seconds * self.options.share))
            person.fill(f"{name[:1].upper()}{name[1:].replace('_', ' ')}, seconds", f"{seconds}")
        person.fill("Execution windows", f"{max(2, round(small.execution_windows * self.options.share))}")

    def _run(self) -> dict[str, Any]:
        runs = [run for run in self.person.state["runs"] if run["kind"] == "train"]
        return runs[0] if runs else {"state": "", "stage": "", "step": 0, "steps": 0, "message": ""}

    def _says(self, pattern: str) -> str | None:
        """The first words on the screen that fit."""
        return next((words for words in self.person.state["words"] if re.search(pattern, words)), None)

    # ---- goals and deploy ----------------------------------------------------------------------------------------

    def choose_goals(self) -> None:
        """One typed into the fields, one by a click on the table, one dragged on from there."""
        person = self.person
        person.click("Plan")
        person.click("Goals")
        person.wait("Goals is open", lambda: person.state["screen"] == "goals")
        person.wait("play was read", lambda: self._says(r"in play"))
        for name, text in zip(("x in", "y in", "yaw in"), TYPED, strict=True):
            person.fill(name, text)
        self._keep(1)
        person.hands.click(*person.place(*GOALS_M[0], 0.0))
        self._stands_at(GOALS_M[0])
        self.picture("goal-clicked", "A click on the table, and the goal stands there.")
        self._keep(2)
        height_m = float(self._field("z")) / 1000
        ends = (person.place(*GOALS_M[0], height_m), person.place(*GOALS_M[1], height_m))
        person.hands.drag(*ends, lambda: time.sleep(_HAND_S))
        self._stands_at(GOALS_M[1])
        self._keep(3)
        self._rest(1.0)
        self.picture("goals-kept", "Three goals in the library: typed, clicked and dragged.")

    def _keep(self, number: int) -> None:
        self.person.click("Keep in library")
        words = f"^{number} goal" + ("s$" if number > 1 else "$")
        self.person.wait(f"{number} kept", lambda: self._says(words))
        self.seen["goals"] = number

    def _stands_at(self, place_m: tuple[float, float]) -> None:
        def near() -> bool:
            away_mm = (abs(float(self._field(name)) - 1000 * at) for name, at in zip("xy", place_m, strict=True))
            return max(away_mm) < 12.0

        self.person.wait(f"the goal stands at {place_m} m", near)

    def _field(self, name: str) -> str:
        found = self.person.find(f"{name} in", "field")
        if found is None:
            raise NotSeenError(f"There is no field {name}.")
        return found["value"].replace("−", "-")

    def deploy(self) -> None:
        """Run all: the success count must move, and at full length count every goal."""
        person = self.person
        person.click("Run all")
        person.wait("Deploy is open", lambda: person.state["screen"] == "deploy")
        person.wait("the planner drives", self._driven, meanwhile=self._redeploy)
        self.seen["plans"] = []
        tried, wanted = 0, 3 if self.options.share >= 1.0 else 1
        pictured = 0
        end_s = time.monotonic() + 120.0 * wanted + 2 * self.options.patience_s
        while tried < wanted or self._plans_made() < _PLANS:
            self._redeploy()
            tried = self._tried()
            plans = self._says(r"late of \d+")
            if plans and plans not in self.seen["plans"][-1:]:
                self.seen["plans"].append(plans)
            if pictured <= tried and self._plans_made() >= 10 * (pictured + 1):
                pictured = tried + 1
                self.picture(f"deploy-{pictured}", "The planner's rollouts, its plan and the arms at work.")
            if time.monotonic() > end_s:
                raise NotSeenError(f"{tried} of {wanted} goals were counted.")
            time.sleep(0.2)
        self.seen["success"] = person.find("successes", "label")["value"]  # type: ignore[index]
        self.picture("counted", "Every goal is counted, reached or missed.")

    def _driven(self) -> bool:
        state = self.person.state
        return state["robot"] == "engaged" and state["driver"] == "planner" and self._plans_made() > 0

    def _plans_made(self) -> int:
        found = self._says(r"late of \d+")
        return int(found.rsplit(" ", 1)[-1]) if found else 0

    def _tried(self) -> int:
        count = self.person.find("successes", "label")
        return int(count["value"].split(" of ")[1]) if count else 0

    def _redeploy(self) -> None:
        """Arms that hold go on by Space; a deployment that ended on a busy machine is begun again by Enter."""
        robot = self.person.state["robot"]
        if robot in ("engaged", "aligning") or time.monotonic() - self._last_engage_s < 3.0:
            return
        deploys = self.person.find("Deploy")
        self._last_engage_s = time.monotonic()
        self.seen["helped"] = self.seen.get("helped", 0) + 1
        if robot == "fault":
            self.person.click("Teleoperate")
            self.person.hands.key("Shift+C")
            time.sleep(0.5)
            self.person.click("Plan")
        elif robot == "holding":
            self.person.hands.key("Space")
        elif deploys is not None and deploys["enabled"]:
            self.person.hands.key("Enter")

    # ---- the end -------------------------------------------------------------------------------------------------

    def stop(self) -> None:
        person = self.person
        person.click("Stop", "any")
        person.wait("motors are off", lambda: person.state["robot"] in _STOPPED)
        self._rest(0.5)
        self.picture("stopped", "Stopped by the red button: motors are off.")
        self.seen["notices"] = person.state["notices"]
        person.hands.key("Ctrl+Q")

    @staticmethod
    def _rest(seconds: float) -> None:
        time.sleep(seconds)


def walk(options: WalkOptions) -> Walk:
    """The whole walk; what was seen, and the pictures.

    Raises:
        StudioError: something did not come, or the window did not end well; a picture shows what was there then.
    """
    with open_window(options.out / HOME, options.out / "project", options.patience_s) as (person, window):
        walked = Walk(options, person)
        try:
            walked.walk()
        except StudioError:
            walked.picture("failed", "What was on the display when it failed.")
            raise
        code = window.wait(options.patience_s)
    if code:
        log = (options.out / HOME / "window.log").read_text(encoding="utf-8", errors="replace")
        raise NotSeenError(f"The window ended with {code}.", detail=log[-4000:])
    return walked
