"""The slots that the window writes: input (heartbeat, dead-man, stop), hands, coupling, goal. No Qt, never blocks."""

from __future__ import annotations

import time
from collections.abc import Callable
from dataclasses import dataclass, fields
from pathlib import Path

import numpy as np

from studio.core.errors import ConfigError
from studio.core.records import RecordType
from studio.core.task import Goal
from studio.ipc.channels import make_coupling_slot, make_goal_slot, make_hands_slot, make_input_slot
from studio.ipc.slot import SlotWriter
from studio.robot.description import Robot


@dataclass(frozen=True, kw_only=True)
class CouplingWish:
    """What the operator asks of the coupling; control ramps to it (docs/control.md).

    Args:
        stiffness_scale, damping_scale: of the robot's own gains; control uses 0 to 1.5 and 0.2 to 1.5.
        leader_share: share of the force that the leader feels, 0 to 1.
        scheme: 1 position-position, 2 position-force, 3 4-channel; 0 as configured.
        motion_scale: follower's angle per leader's angle, 0.25 to 4; 0 as configured.
        clutch_open: the leader moves without the follower.
        force_cutoff_hz: low-pass of the estimated contact force, 1 to 100; 0 as configured.
        disturbance_cutoff_hz: of the 4-channel law's disturbance observer, 0.1 to 100; 0 as configured.
    """

    stiffness_scale: float = 1.0
    damping_scale: float = 1.0
    leader_share: float = 1.0
    scheme: int = 0
    motion_scale: float = 0.0
    clutch_open: bool = False
    force_cutoff_hz: float = 0.0
    disturbance_cutoff_hz: float = 0.0


class Outlet:
    """One writer per slot; each call writes at once.

    Args:
        slot_path: where a slot lies.
        robot: gives pairs and the leader share to start from.
    """

    def __init__(self, slot_path: Callable[[str], Path], robot: Robot) -> None:
        self.dead_man = False
        self.stop_count = 0
        self._pairs = robot.pairs
        self._slots = {
            kind.name: SlotWriter(slot_path(kind.name), kind)
            for kind in (make_input_slot(), make_hands_slot(robot.pairs), make_coupling_slot(), make_goal_slot())
        }
        self._records = {name: slot.record_type.empty()[0:1] for name, slot in self._slots.items()}
        self.write_coupling(CouplingWish(leader_share=robot.leader_share))
        self.write_goal(None)
        self._write("hands")
        self.beat()

    def beat(self) -> None:
        """The heartbeat: 50 times a second from the window's thread, so that a frozen window stops the arms."""
        record = self._records["input"]
        record["dead_man"] = self.dead_man
        record["stop_count"] = self.stop_count
        self._write("input")

    def write_hand(self, pair: int, target_m: np.ndarray, active: bool) -> None:
        if not 0 <= pair < self._pairs:
            raise ConfigError(f"Hand {pair} does not exist; this robot has {self._pairs}, numbered from 0.")
        record = self._records["hands"]
        record["hand_target_m"][0, pair] = target_m
        record["hand_active"][0, pair] = active
        self._write("hands")

    def release_hands(self) -> None:
        self._records["hands"]["hand_active"] = 0
        self._write("hands")

    def write_coupling(self, wish: CouplingWish) -> None:
        record = self._records["coupling"]
        for wanted in fields(wish):
            record[wanted.name] = getattr(wish, wanted.name)
        self._write("coupling")

    def write_goal(self, goal: Goal | None) -> None:
        """The goal, or none (identity 0)."""
        record = self._records["goal"]
        record["goal_id"] = goal.goal_id if goal else 0
        record["position_m"] = goal.position_m if goal else 0.0
        record["orientation_xyzw"] = goal.orientation_xyzw if goal else (0.0, 0.0, 0.0, 1.0)
        self._write("goal")

    def record_types(self) -> list[RecordType]:
        return [slot.record_type for slot in self._slots.values()]

    def close(self) -> None:
        """What the closing window still writes afterwards goes nowhere: the silence itself stops the arms."""
        slots, self._slots = self._slots, {}
        for slot in slots.values():
            slot.close()

    def _write(self, name: str) -> None:
        if name not in self._slots:
            return
        record = self._records[name]
        record["t_ns"] = time.monotonic_ns()
        self._slots[name].write(record[0])
