"""All motors of a rig on their buses as a `Plant`: the loop's `send` and `read` are the two halves of one cycle.

The wire works while the loop waits for its next tick: what is sent at the end of a tick has been answered when the
next one begins.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from hw_drivers.bus.can_frame import BusError
from hw_drivers.bus.dialect import Special
from hw_drivers.bus.motor_buses import MotorBuses
from hw_drivers.bus.motor_states import MotorStates
from studio.core.errors import DeviceError
from studio.core.geometry import FloatArray
from studio.core.kernel import make_kernel
from studio.core.protocols import ERROR_JUMPED, STATE_ERROR, STATE_POSITION, Clock

_ASKS, _ASK_AGAIN_S = 10, 0.05  # of `open`; long enough for adapters that must wake up
_SHORTEST_TICK_NS = 500_000
_SLACK_RAD = 0.05  # noise, quantisation, and angles measured a little further apart than they are read
_BUS_SENTENCES = {
    BusError.NO_ACKNOWLEDGE: "does not acknowledge. Check motor power, termination and wiring",
    BusError.BUS_OFF: "has switched itself off after errors. Check wiring and termination",
    BusError.GONE: "is gone. Plug the adapter in again",
}


class BusPlant:
    """A `Plant` of drives on real buses, or of twins behind one of their transports.

    A bus that went off or whose adapter was pulled out stays silent for the loop until `open` is called again, so that
    nothing starts moving by itself when it comes back.

    Args:
        buses: all motors, in the loop's order.
        clock: for waiting in `open`.
    """

    def __init__(self, buses: MotorBuses, clock: Clock) -> None:
        self.motors, self.buses = buses.motors, buses
        self._clock = clock
        self._t_ns = np.zeros(self.motors, dtype=np.int64)
        self._all = np.ones(self.motors, dtype=bool)
        self._told = [BusError.NONE] * len(buses.names)
        self._speed_rad_ns = np.array([1e-9 * motor.velocity_rad_s for motor in buses.ranges])
        self._position_rad, self._moved_rad = np.zeros(self.motors), np.zeros(self.motors)
        self._jumped, self._calm = np.zeros((2, self.motors), dtype=bool)
        self._all_calm = np.ones(self.motors, dtype=bool).tobytes()
        self._calm_rad = self._speed_rad_ns * _SHORTEST_TICK_NS + _SLACK_RAD
        self._good_ns, self._any_jumped = np.zeros(self.motors, dtype=np.int64), False
        self._troubles: list[str] = []
        moves = {"values": buses.states.values.T, "position": self._position_rad, "moved": self._moved_rad}
        members = {"motors": self.motors, **moves, "calm": self._calm_rad}
        self._take_positions = make_kernel("Moves", "take_positions", members)

    def open(self) -> None:
        """Drain, then ask every drive with a harmless exit frame and await its reply.

        Raises:
            DeviceError: drives that did not answer, by bus.
        """
        self.buses.clear_errors()
        self.buses.collect()
        self._t_ns[:] = 0
        self._good_ns[:] = 0
        self._jumped[:], self._any_jumped = False, False
        asked = self.buses.states.sequence.copy()
        for _ in range(_ASKS):  # counted, so that a pause of the machine silences nobody
            self.buses.send_special(Special.EXIT, self.buses.states.sequence == asked)
            now_ns = self._clock.now_ns()
            states = self.buses.collect(now_ns + int(_ASK_AGAIN_S * 1e9))
            if (states.sequence > asked).all():
                return
            self._clock.sleep_until_ns(now_ns + int(_ASK_AGAIN_S * 1e9))
        raise DeviceError(self._describe_silent(self.buses.states.sequence == asked))

    def _describe_silent(self, silent: NDArray[np.bool_]) -> str:
        where = [
            f"{name}: drives {[drive for drive, motor in self.buses.drives_of(bus).items() if silent[motor]]}"
            for bus, name in enumerate(self.buses.names)
            if silent[self.buses.motors_of(bus)].any()
        ]
        buses, waited_s = "; bus ".join(where), _ASKS * _ASK_AGAIN_S
        return f"No answer within {waited_s:g} s on bus {buses}. Check power, wiring, ids and firmware."

    def enable(self, motors: NDArray[np.bool_]) -> None:
        self.buses.send_special(Special.ENTER, motors)

    def disable(self, motors: NDArray[np.bool_]) -> None:
        self.buses.send_special(Special.EXIT, motors)

    def read(self, states: FloatArray, t_ns: NDArray[np.int64]) -> None:
        """What has come since the last command. A motor whose reply is not valid keeps its old time, and so ages.

        A reply whose position lies further from the last one than the motor can turn in that time is not valid: a
        sector or a wrap was lost (spec/hardware.md 1.6), and nothing may follow such an angle.
        """
        now, measured_ns = self.buses.collect(), self.buses.sent_ns  # a reply tells of the moment its command came
        np.copyto(states, now.values)
        calm = self.buses.steady and not self._any_jumped
        if calm and (self._take_calmly() if self._take_positions is None else self._take_positions.run()):
            self._t_ns[...] = t_ns[...] = now.t_ns
            self._good_ns.fill(measured_ns)
            return
        position_rad = now.values[:, STATE_POSITION]
        self._find_moves(position_rad)
        good = now.valid & ~self._find_jumps(now, measured_ns)
        np.copyto(self._position_rad, position_rad, where=good)
        np.copyto(self._t_ns, now.t_ns, where=good)
        np.copyto(self._good_ns, measured_ns, where=good)
        states[:, STATE_POSITION] = self._position_rad
        if self._any_jumped:
            states[self._jumped, STATE_ERROR] = ERROR_JUMPED
        t_ns[...] = self._t_ns

    def _take_calmly(self) -> bool:
        """Take positions where no motor moved further than it can within the shortest tick. The kernel's reference."""
        position_rad = self.buses.states.values[:, STATE_POSITION]
        self._find_moves(position_rad)
        np.less_equal(self._moved_rad, self._calm_rad, self._calm)
        if self._calm.tobytes() != self._all_calm:
            return False
        self._position_rad[...] = position_rad
        return True

    def _find_moves(self, position_rad: FloatArray) -> None:
        np.subtract(position_rad, self._position_rad, self._moved_rad)
        np.absolute(self._moved_rad, self._moved_rad)

    def _find_jumps(self, now: MotorStates, measured_ns: int) -> NDArray[np.bool_]:
        """Motors that cannot have turned as far as they said, once; told once, and so until `open`."""
        most_rad = (measured_ns - self._good_ns) * self._speed_rad_ns + _SLACK_RAD
        fresh = now.valid & (self._t_ns > 0) & (self._moved_rad > most_rad) & ~self._jumped
        for motor in np.flatnonzero(fresh).tolist():
            bus, drive = self._place(motor)
            self._troubles.append(
                f"Drive {drive} on bus {bus} jumped by {self._moved_rad[motor]:.2f} rad. Power it again and zero it."
            )
        self._jumped |= fresh
        self._any_jumped = bool(self._jumped.any())
        return self._jumped

    def _place(self, motor: int) -> tuple[str, int]:
        for bus, name in enumerate(self.buses.names):
            for drive, row in self.buses.drives_of(bus).items():
                if row == motor:
                    return name, drive
        return "?", 0

    def send(self, commands: FloatArray, sent: FloatArray) -> None:
        self.buses.send(commands, sent)

    @property
    def states(self) -> MotorStates:
        """Of the newest cycle, with errors as data."""
        return self.buses.states

    def take_troubles(self) -> list[str]:
        """Sentences about buses whose state has changed for the worse since the last call."""
        troubles, self._troubles = self._troubles, []
        for bus, name in enumerate(self.buses.names):
            error = BusError(int(self.buses.states.bus_error[bus]))
            if error is not self._told[bus] and error in _BUS_SENTENCES:
                troubles.append(f"Bus {name} {_BUS_SENTENCES[error]}.")
            self._told[bus] = error
        return troubles

    def close(self) -> None:
        """Exit frames to all drives, then the buses."""
        self.disable(self._all)
        self.buses.close()
