"""The scripted hand, or a gamepad, in real time: sees the session's rings, moves the hands' targets, nothing else.

Only when its configuration says `heartbeat`, it also writes slot `input` (dead-man pressed, at 50 Hz); otherwise the
window or the command does. A wish to put the box back goes to the supervisor as message `put_box_back`.
"""

from __future__ import annotations

import gc
import time
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from hw_drivers.pads.evdev import EvdevPad
from studio.control.gamepad import GamepadOperator
from studio.core.config import check_range, make_config
from studio.core.protocols import Operator, OperatorIntent, OperatorView
from studio.core.task import load_task
from studio.ipc.channels import make_hands_slot, make_input_slot
from studio.ipc.messages import Message
from studio.ipc.slot import SlotWriter
from studio.ipc.worker_link import WorkerLink, run_worker
from studio.robot.description import Robot, load_robot
from studio.robot.kinematics import Kinematics
from studio.sim.operator.player import ScriptedOperator
from studio.workers.tap import Tap

_HEARTBEAT_S = 0.02


@dataclass(frozen=True, kw_only=True)
class OperatorConfig:
    """Configuration of the worker.

    Args:
        rate_hz: how often targets are written; the operator's own path runs at loop rate and is caught up with.
        heartbeat: write slot `input` as well.
        pad: path of a gamepad's input events; empty is the scripted hand.
    """

    robot: str = "dual_arm_ak60"
    task: str = "move_box"
    seed: int = 0
    rate_hz: float = 100.0
    heartbeat: bool = False
    pad: str = ""

    def __post_init__(self) -> None:
        check_range("operator", "rate_hz", self.rate_hz, 10.0, 400.0, " Hz")


class SessionView:
    """What the operator sees, refilled from the rings `control` and `object_pose.world`."""

    def __init__(self, link: WorkerLink, robot: Robot) -> None:
        self._control = Tap(link.session.ring_path("control"))
        self._pose = Tap(link.session.ring_path("object_pose.world"))
        self._kinematics = Kinematics(robot)
        joints, pairs = np.zeros(robot.joints), robot.pairs
        self.view = OperatorView(
            t_ns=0,
            leader_position_rad=joints,
            follower_position_rad=joints,
            tip_position_m=np.zeros((pairs, 3)),
            contact_force_n=np.zeros((pairs, 3)),
            object_position_m=np.zeros(3),
            object_orientation_xyzw=np.array([0.0, 0.0, 0.0, 1.0]),
            pair_state=np.zeros(pairs, dtype=np.uint8),
        )

    def update(self) -> bool:
        """False while the session has nothing to see, or nothing new."""
        control, pose = self._control.read(), self._pose.read()
        if control is None or pose is None or int(control["t_ns"]) == self.view.t_ns:
            return False
        view = self.view
        view.t_ns = int(control["t_ns"])
        view.leader_position_rad, view.follower_position_rad = (
            control["leader_position_rad"],
            control["follower_position_rad"],
        )
        view.tip_position_m = self._kinematics.tip_positions(view.follower_position_rad)
        view.contact_force_n, view.pair_state = control["contact_force_n"], control["pair_state"]
        view.object_position_m, view.object_orientation_xyzw = pose["position_m"], pose["orientation_xyzw"]
        return True

    def close(self) -> None:
        self._control.close()
        self._pose.close()


class Hands:
    """Writes slot `hands`, and the heartbeat where asked."""

    def __init__(self, link: WorkerLink, robot: Robot, *, heartbeat: bool) -> None:
        hands = make_hands_slot(robot.pairs)
        self._hands, self._record = SlotWriter(link.session.slot_path("hands"), hands), hands.empty()[0:1]
        self._input: SlotWriter | None = None
        if heartbeat:
            self._input = SlotWriter(link.session.slot_path("input"), make_input_slot())
            self._beat = make_input_slot().empty()[0:1]
            self._beat["dead_man"] = 1
        self._beat_s = 0.0

    def write(self, intent: OperatorIntent) -> None:
        self._record["t_ns"] = time.monotonic_ns()
        self._record["hand_active"][0], self._record["hand_target_m"][0] = intent.hand_active, intent.hand_target_m
        self._hands.write(self._record[0])

    def beat(self) -> None:
        now_s = time.monotonic()
        if self._input is not None and now_s - self._beat_s >= _HEARTBEAT_S:
            self._beat_s = now_s
            self._beat["t_ns"] = time.monotonic_ns()
            self._input.write(self._beat[0])

    def close(self) -> None:
        """Let go of the leaders."""
        self._record["hand_active"] = 0
        self._record["t_ns"] = time.monotonic_ns()
        self._hands.write(self._record[0])
        self._hands.close()
        if self._input is not None:
            self._input.close()


def run(link: WorkerLink) -> None:
    config = make_config(OperatorConfig, link.config, where="operator")
    robot = load_robot(config.robot)
    pad = EvdevPad(Path(config.pad)) if config.pad else None
    scripted = ScriptedOperator(robot, load_task(config.task), config.seed)
    operator = scripted if pad is None else GamepadOperator(pad.read, robot.pairs)
    seen, hands = SessionView(link, robot), Hands(link, robot, heartbeat=config.heartbeat)
    link.send(Message(name="ready"))
    gc.freeze()
    try:
        _play(link, operator, seen, hands, robot, config)
    finally:
        hands.close()
        seen.close()
        if pad is not None:
            pad.close()
    link.send(Message(name="state", values={"primitives": scripted.counts}))


def _play(
    link: WorkerLink, operator: Operator, seen: SessionView, hands: Hands, robot: Robot, config: OperatorConfig
) -> None:
    """The path has one point per control tick; at a lower rate several are walked at once, in step with time."""
    intent = OperatorIntent(np.zeros((robot.pairs, 3)), np.zeros(robot.pairs, dtype=bool))
    period_s, tick_s = 1.0 / config.rate_hz, 1.0 / robot.loop_rate_hz
    walked_s = due_s = time.monotonic()
    while not link.ending:
        due_s = max(due_s + period_s, time.monotonic() - period_s)
        link.wait(max(0.0, due_s - time.monotonic()))
        hands.beat()
        if not seen.update():
            walked_s = time.monotonic()
            continue
        walked_s = max(walked_s, time.monotonic() - 4 * period_s)  # after a long pause the path is not rushed
        wish = False
        while walked_s < time.monotonic():
            walked_s += tick_s
            operator.update(seen.view, intent)
            wish = wish or intent.put_object_back
        if wish:
            link.send(Message(name="put_box_back"))
        hands.write(intent)


if __name__ == "__main__":
    run_worker(run)
