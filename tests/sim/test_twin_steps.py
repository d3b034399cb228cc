"""The twins' kernels give the bits of drive law and leader twins in NumPy, over the whole range and beyond it."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp

from studio.core import kernel
from studio.core.geometry import FloatArray
from studio.core.kernel import NativeBuild, tick_build
from studio.core.protocols import TwinPorts
from studio.robot.description import load_robot
from studio.robot.kinematics import Kinematics
from studio.sim.drive_law import DriveLaw
from studio.sim.leader import LeaderTwins
from studio.sim.twin_steps import make_steps

pytestmark = pytest.mark.skipif(tick_build().library is None, reason=tick_build().reason or "there is a library")

ROBOT = load_robot()
KINEMATICS = Kinematics(ROBOT)
JOINTS, MOTORS, DT_S, PERIOD_S = ROBOT.joints, 2 * ROBOT.joints, 1 / 2000, 1 / 400
ANY = st.one_of(st.floats(-40.0, 40.0), st.floats(), st.sampled_from([0.0, 1e300, np.nan, np.inf, -np.inf, 9.0, -9.0]))


class Twins:
    """Law and leaders on arrays of their own, stepped as a world does it; `numpy_only` is the reference."""

    def __init__(self, *, numpy_only: bool) -> None:
        with pytest.MonkeyPatch.context() as patch:
            if numpy_only:
                patch.setattr(kernel, "tick_build", lambda: NativeBuild(library=None, reason="for comparison"))
            self.state = np.zeros((2, MOTORS))
            self.ports = TwinPorts(np.zeros((5, MOTORS)).T, np.zeros((5, MOTORS)).T, np.ones(MOTORS))
            self.law = DriveLaw(ROBOT, self.state, DT_S)
            self.leader = LeaderTwins(ROBOT, KINEMATICS, self.law, self.state[:, :JOINTS], DT_S)
            self.step_drives, self.move_joints = make_steps(self.law, self.leader, self.state, DT_S)
            self.law.load(self.ports)

    def run(self, commands: FloatArray, state: FloatArray, powered: FloatArray, target: FloatArray) -> bytes:
        """Two control periods; everything that is left behind."""
        self.ports.command.T[:] = commands
        self.ports.powered[:] = powered
        self.state[:] = state
        for active in (np.array([True, False]), np.array([True, True])):
            self.leader.hold(target, active)
            self.law.load(self.ports)
            self.leader.load(PERIOD_S)
            for _ in range(5):
                self.step_drives()
                self.move_joints()
        return b"".join(_bits(x) for x in (self.state, self.law.torque_nm, self.law.net_nm, self.law.outside_constant))


def _bits(values: FloatArray) -> bytes:
    """Bytes in which all NaNs, and both zeros, are the same."""
    return (np.where(np.isnan(values), np.nan, values) + 0.0).tobytes()


def columns(*shape: int) -> st.SearchStrategy[FloatArray]:
    return hnp.arrays(np.float64, shape, elements=ANY)


@settings(max_examples=80, deadline=None)
@given(
    columns(5, MOTORS),
    columns(2, MOTORS),
    hnp.arrays(np.bool_, MOTORS).map(lambda on: on.astype(np.float64)),
    hnp.arrays(np.float64, JOINTS, elements=st.floats(-3.0, 3.0)),
)
def test_the_same_bits_as_numpy(
    commands: FloatArray, state: FloatArray, powered: FloatArray, target: FloatArray
) -> None:
    state[0, :JOINTS] = np.clip(np.nan_to_num(state[0, :JOINTS]), -10, 10)  # gravity is Pinocchio's in both
    with np.errstate(all="ignore"):
        found = [Twins(numpy_only=only).run(commands, state, powered, target) for only in (False, True)]
    assert found[0] == found[1]


def test_the_kernels_are_in_use() -> None:
    assert Twins(numpy_only=False).law._load_registers is not None
    assert Twins(numpy_only=True).law._load_registers is None
    assert Twins(numpy_only=False).leader._move_hands is not None


def test_a_joint_at_its_limit_stops_in_both() -> None:
    state = np.zeros((2, MOTORS))
    state[0, :JOINTS], state[1, :JOINTS] = ROBOT.position_upper_rad + 0.2, 3.0
    still = np.zeros((5, MOTORS)), state, np.ones(MOTORS), ROBOT.home_rad
    first, second = Twins(numpy_only=False), Twins(numpy_only=True)
    assert first.run(*still) == second.run(*still)
    assert (first.state[0, :JOINTS] < ROBOT.position_upper_rad + 0.2).all()


def test_drives_that_hear_nothing_let_go_in_both() -> None:
    for twins in (Twins(numpy_only=False), Twins(numpy_only=True)):
        twins.ports.command.T[:] = 1.0
        twins.law.load(twins.ports)
        assert twins.law._drive_gains.any()
        twins.ports.idle_s = 1.0
        twins.law.load(twins.ports)
        assert not twins.law._drive_gains.any()
        assert not twins.law._drive_constant.any()
