"""The drives' own law and their imperfections, for all motors at once at physics rate.

tau = Kp (p_des - p) + Kd (v_des - v) + t_ff, clipped to the drive's peak torque and passed through a first-order lag
(the torque bandwidth); on the joint act besides regularised Coulomb friction and whatever is outside the drive (viscous
friction, and on the leader gravity and the hand). Reflected rotor inertia is in the links' inertia.

Every term is linear in position, velocity and the winding's torque before its clip, so one product of gains
[2, 4, motors] and inputs of the same shape gives all of them: this runs at 2 kHz in Python. Operands have equal shapes
and are contiguous, because NumPy takes up to four times as long to set up anything else. Where there is a library in C
its kernels do the same (`twin_steps`, resources/native/tick/twins.h), and this is their reference.
"""

from __future__ import annotations

from math import exp, pi

import numpy as np
from numpy.typing import NDArray

from studio.core.geometry import FloatArray
from studio.core.kernel import Kernel, Value, make_kernel
from studio.core.protocols import KD, KP, POSITION, TORQUE, VELOCITY, TwinPorts
from studio.robot.description import Robot

_WINDING, _FRICTION, _OUTSIDE, _KEPT = range(4)  # the last is what the winding keeps of its torque


class DriveLaw:
    """Torque of every motor from its registers; buffers are made once.

    Args:
        robot: gives friction, bandwidth and peak torque of one joint.
        state: position and velocity of all motors, [2, motors] in rad and rad/s; read at every update.
        physics_dt_s: period of one `update`.
    """

    def __init__(self, robot: Robot, state: FloatArray, physics_dt_s: float) -> None:
        motor, motors = robot.motor, state.shape[1]
        self._state, self._size = state, {"motors": motors}
        self._lag = 1.0 - exp(-2 * pi * motor.torque_bandwidth_hz * physics_dt_s)
        self._timeout_s = motor.command_timeout_s
        self._viscous = motor.viscous_friction_nm_s_rad
        self._inputs = np.zeros((2, 4, motors))  # position and velocity by channel; of the last: torque and nothing
        self.torque_nm = self._inputs[0, _KEPT]  # what the winding gives; a reply reports it
        self.net_nm = np.zeros(motors)  # what accelerates the joint
        self._gains, self._constant = np.zeros((2, 4, motors)), np.zeros((4, motors))
        self._gains[VELOCITY, _OUTSIDE] = self._viscous
        self._gains[0, _KEPT] = self._lag - 1.0
        self._coulomb_nm, self._brake_nm = motor.coulomb_friction_nm, motor.parking_brake_nm
        self._friction_gain = motor.coulomb_friction_nm / motor.friction_speed_rad_s
        self._brake_stiffness = np.resize(robot.stiffness_nm_rad, motors)
        self._brake_damping = np.resize(robot.damping_nm_s_rad, motors)
        self._gains[VELOCITY, _FRICTION] = self._friction_gain
        self._powered_before = b""
        limit = np.array([[self._lag * robot.torque_limit_nm], [motor.coulomb_friction_nm]])
        self._high = np.repeat(limit, motors, axis=1)
        self._low = -self._high
        self._scale = np.zeros((2, motors))
        self._loaded, self._scratch = np.empty((2, motors)), np.empty((2, motors))
        self._drive_gains, self._drive_constant = self._gains[:, _WINDING], self._constant[_WINDING]
        self._bound: TwinPorts | None = None
        products, channels = np.empty((2, 4, motors)), np.empty((4, motors))
        self._products, self._channels = products, channels
        self._load_registers: Kernel | None = None
        self._moving, self._state_by_channel = self._inputs[:, :_KEPT], state[:, None]
        self._by_position, self._by_velocity = products
        self._clipped = channels[:_OUTSIDE]
        self._winding, self._friction, self._outside, self._kept = channels

    def load(self, ports: TwinPorts) -> None:
        """Take the registers for the coming control period; silence longer than the drive's time-out lets go."""
        if ports is not self._bound:
            self._bind(ports)
        if (powered := ports.powered.tobytes()) != self._powered_before:
            self._powered_before = powered
            self._scale[:] = ports.powered * self._lag
            self._set_brakes(ports.powered > 0)
        constant = self._drive_constant
        if ports.idle_s > self._timeout_s:
            self._drive_gains[:] = 0.0
            constant[:] = 0.0
            return
        if self._load_registers is not None:
            self._load_registers.run()
            return
        gains, x = self._loaded, self._scratch
        np.multiply(self._asked_gains, self._scale, gains)
        self._drive_gains[...] = gains
        np.multiply(self._asked_torque, self._scale_of_torque, constant)
        np.multiply(gains, self._asked_motion, x)
        np.add(constant, self._of_position, constant)
        np.add(constant, self._of_velocity, constant)

    def _bind(self, ports: TwinPorts) -> None:
        """Keep views of the registers: making them anew in every period costs as much as the arithmetic."""
        self._bound, command = ports, ports.command.T
        self._asked_gains, self._asked_torque = command[KP : KD + 1], command[TORQUE]
        self._asked_motion, self._scale_of_torque = command[POSITION : VELOCITY + 1], self._scale[0]
        self._of_position, self._of_velocity = self._scratch
        self._load_registers = None
        if command.flags.c_contiguous:
            law = {"scale": self._scale, "gains": self._gains, "constant": self._constant}
            self._load_registers = make_kernel("Registers", "load_registers", {**self._size, "command": command, **law})

    def members(self) -> dict[str, Value]:
        """What the kernel `step_drives` needs of it, by the names in resources/native/tick/twins.h."""
        inputs, outputs = {"state": self._state, "inputs": self._inputs}, {"net": self.net_nm}
        return (
            inputs | {"gains": self._gains, "constant": self._constant, "high": self._high, "low": self._low} | outputs
        )

    def reset(self) -> None:
        """Windings empty; parking brakes grip anew where the joints are now."""
        self.torque_nm[:] = 0.0
        self._powered_before = b""

    def _set_brakes(self, released: NDArray[np.bool_]) -> None:
        """Friction where a motor is on, else the parking brake: stiff around where it gripped, up to its torque."""
        braked = ~released & (self._brake_nm > 0.0)
        stiffness = self._brake_stiffness * braked
        self._gains[POSITION, _FRICTION] = stiffness
        self._gains[VELOCITY, _FRICTION] = np.where(braked, self._brake_damping, self._friction_gain)
        self._constant[_FRICTION] = stiffness * self._state[POSITION]
        self._high[_FRICTION] = np.where(braked, self._brake_nm, self._coulomb_nm)
        self._low[_FRICTION] = -self._high[_FRICTION]

    def set_outside(self, motors: slice, stiffness: FloatArray, damping: FloatArray) -> None:
        """A spring-damper from outside the drives on some motors; its constant goes to `outside_constant`."""
        self._gains[POSITION, _OUTSIDE, motors] = stiffness
        np.add(damping, self._viscous, self._gains[VELOCITY, _OUTSIDE, motors])

    @property
    def outside_constant(self) -> FloatArray:
        """Torque [motors] from outside the drives at position and velocity 0, in N*m; a view to write into."""
        return self._constant[_OUTSIDE]

    def update(self) -> FloatArray:
        """One physics step; returns `net_nm` [motors], valid until the next call."""
        products, channels, clipped, net = self._products, self._channels, self._clipped, self.net_nm
        self._moving[...] = self._state_by_channel
        np.multiply(self._gains, self._inputs, products)
        np.add(self._by_position, self._by_velocity, channels)
        np.subtract(self._constant, channels, channels)
        np.minimum(clipped, self._high, out=clipped)
        np.maximum(clipped, self._low, out=clipped)
        np.add(self._kept, self._winding, self.torque_nm)
        np.add(self.torque_nm, self._friction, net)
        return np.add(net, self._outside, net)
