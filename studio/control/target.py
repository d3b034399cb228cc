"""The policy's joint target as the loop follows it between two policy ticks."""

from __future__ import annotations

import numpy as np

from studio.robot.description import Robot

_POLICY_PERIOD_NS = 10_000_000  # declared rate of the slot, 100 Hz


class PolicyTarget:
    """Follows `position + velocity * (t - t_ns)` to the ramp's end, then keeps the last.

    A target older than `policy_target_ticks` policy ticks is not extrapolated further; one past `valid_until_ns`,
    marked `hold`, or absent asks for holding.
    """

    def __init__(self, robot: Robot) -> None:
        self.position_rad, self.velocity_rad_s = robot.home_rad.copy(), np.zeros(robot.joints)
        self.hold = True
        self.plan_id = self.goal_id = 0
        self._start_rad, self._speed_rad_s = robot.home_rad.copy(), np.zeros(robot.joints)
        self._longest_ns = robot.timeouts.policy_target_ticks * _POLICY_PERIOD_NS
        self._t_ns, self._end_ns, self._valid_until_ns = -1, 0, 0
        self._asked_to_hold = True
        self._moving = False

    def update(self, record: np.ndarray | None, now_ns: int) -> None:
        """Take the newest record of slot `target` (shape []) and evaluate it for now."""
        if record is None:
            self.hold = True
            return
        t_ns = int(record["t_ns"])
        if t_ns != self._t_ns:
            self._take(record, t_ns)
        self.hold = self._asked_to_hold or (0 < self._valid_until_ns < now_ns)
        elapsed_ns = min(now_ns, self._end_ns) - t_ns
        np.multiply(self._speed_rad_s, max(elapsed_ns, 0) * 1e-9, out=self.position_rad)
        np.add(self.position_rad, self._start_rad, out=self.position_rad)
        self._set_moving(now_ns < self._end_ns)

    def _take(self, record: np.ndarray, t_ns: int) -> None:
        self._t_ns = t_ns
        self._end_ns = min(int(record["ramp_end_ns"]), t_ns + self._longest_ns)
        self._valid_until_ns = int(record["valid_until_ns"])
        self._asked_to_hold = bool(record["hold"])
        self.plan_id, self.goal_id = int(record["plan_id"]), int(record["goal_id"])
        np.copyto(self._start_rad, record["position_rad"])
        np.copyto(self._speed_rad_s, record["velocity_rad_s"])
        self._moving = False

    def _set_moving(self, moving: bool) -> None:
        if moving != self._moving or not moving:
            np.copyto(self.velocity_rad_s, self._speed_rad_s if moving else 0.0)
            self._moving = moving
