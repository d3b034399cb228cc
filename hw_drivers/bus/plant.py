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
from studio.core.protocols import Clock

_ANSWER_S = 0.5  # longest that `open` waits; also for adapters that must wake up
_ASK_AGAIN_S = 0.05
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

    def open(self) -> None:
        """Drain, then ask every drive with a harmless exit frame and await its reply.

        Raises:
            DeviceError: drives that did not answer, by bus.
        """
        self.buses.clear_errors()
        self.buses.collect()
        start_ns = self._clock.now_ns()
        asked = self.buses.states.sequence.copy()
        while self._clock.now_ns() - start_ns < _ANSWER_S * 1e9:
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
        return f"No answer within {_ANSWER_S:g} s on bus {'; bus '.join(where)}. Check power, wiring, ids and firmware."

    def enable(self, motors: NDArray[np.bool_]) -> None:
        self.buses.send_special(Special.ENTER, motors)

    def disable(self, motors: NDArray[np.bool_]) -> None:
        self.buses.send_special(Special.EXIT, motors)

    def read(self, states: FloatArray, t_ns: NDArray[np.int64]) -> None:
        """What has come since the last command. A motor whose reply is not valid keeps its old time, and so ages."""
        now = self.buses.collect()
        np.copyto(states, now.values)
        np.copyto(self._t_ns, now.t_ns, where=now.valid)
        t_ns[...] = self._t_ns

    def send(self, commands: FloatArray, sent: FloatArray) -> None:
        self.buses.send(commands, sent)

    @property
    def states(self) -> MotorStates:
        """Of the newest cycle, with errors as data."""
        return self.buses.states

    def take_troubles(self) -> list[str]:
        """Sentences about buses whose state has changed for the worse since the last call."""
        troubles: list[str] = []
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
