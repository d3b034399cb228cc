"""Every slot of a session by name: who writes it, who reads it, what is in it.

| slot | writer | reader |
|---|---|---|
| input | the process with the heartbeat (window or command) | control, guard |
| pedal | pedal | control |
| hands | mouse, gamepad or scripted operator | control |
| coupling | window or command | control |
| goal | window or command | planner, policy |
| target | policy | control, planner |
| mailbox | planner | policy |
| guard | guard | control |
"""

from __future__ import annotations

from studio.core.records import Field, RecordType


def make_input_slot() -> RecordType:
    """Heartbeat, dead-man and stop; `t_ns` is the heartbeat itself."""
    return RecordType(
        "input",
        50.0,
        (
            Field(name="dead_man", dtype="<u1"),
            Field(name="stop_count", dtype="<i8"),  # rises with every press of stop
        ),
    )


def make_pedal_slot() -> RecordType:
    """A dead-man pedal of its own; `t_ns` is its newest sign of life. Old news count as released."""
    return RecordType(
        "pedal",
        100.0,
        (
            Field(name="dead_man", dtype="<u1"),
            Field(name="rejected", dtype="<i8"),  # lines or events that were no valid ones
        ),
    )


def make_hands_slot(pairs: int) -> RecordType:
    """Where the operator's hands are; `t_ns` is when they were seen there."""
    return RecordType(
        "hands",
        60.0,
        (
            Field(name="hand_active", shape=(pairs,), dtype="<u1"),
            Field(name="hand_target_m", shape=(pairs, 3), unit="m"),
        ),
    )


def make_coupling_slot() -> RecordType:
    """Operator's coupling settings; control ramps to them."""
    return RecordType(
        "coupling",
        1.0,
        (
            Field(name="stiffness_scale"),  # 1 = the robot description's gains
            Field(name="damping_scale"),
            Field(name="leader_share"),  # kappa, 0..1
            Field(name="scheme", dtype="<u1"),  # 1 position-position, 2 position-force, 3 4-channel; 0 as configured
            Field(name="motion_scale"),  # follower's angle per leader's angle; 0 as configured
            Field(name="clutch_open", dtype="<u1"),
            Field(name="force_cutoff_hz", unit="Hz"),  # low-pass of the estimated contact force; 0 as configured
            Field(name="disturbance_cutoff_hz", unit="Hz"),  # of the 4-channel's disturbance observer; 0 as configured
        ),
    )


def make_goal_slot() -> RecordType:
    return RecordType(
        "goal",
        1.0,
        (
            Field(name="goal_id", dtype="<i8"),  # 0 = no goal
            Field(name="position_m", shape=(3,), unit="m"),
            Field(name="orientation_xyzw", shape=(4,)),
        ),
    )


def make_target_slot(joints: int) -> RecordType:
    """Joint targets of the policy. Control follows `position + velocity * (t - t_ns)` up to `ramp_end_ns`."""
    return RecordType(
        "target",
        100.0,
        (
            Field(name="position_rad", shape=(joints,), unit="rad"),
            Field(name="velocity_rad_s", shape=(joints,), unit="rad/s"),
            Field(name="ramp_end_ns", dtype="<i8", unit="ns"),
            Field(name="valid_until_ns", dtype="<i8", unit="ns"),
            Field(name="plan_id", dtype="<i8"),
            Field(name="goal_id", dtype="<i8"),
            Field(name="plan_t_ns", dtype="<i8", unit="ns"),  # time of the state the plan was made from
            Field(name="hold", dtype="<u1"),  # 1: keep the pose (plan too old, goal reached, no goal)
        ),
    )


def make_guard_slot() -> RecordType:
    """What the guard has done: it watches control, and speaks to the motors when control is silent."""
    return RecordType(
        "guard",
        1.0,
        (
            Field(name="silence_count", dtype="<i8"),  # times control was found silent with motors on
            Field(name="acted_count", dtype="<i8"),  # times damping and exit frames were sent for it
            Field(name="watchdog", dtype="<u1"),  # independent watchdog: 0 none named, 1 not proven, 2 proven
        ),
    )


def make_mailbox_slot(*, stages: int, skill_size: int, state_size: int, candidates: int = 0) -> RecordType:
    """The newest plan; `candidate_count` of the candidates are to be weighed again by the policy."""
    return RecordType(
        "mailbox",
        10.0,
        (
            Field(name="plan_id", dtype="<i8"),
            Field(name="goal_id", dtype="<i8"),
            Field(name="state_t_ns", dtype="<i8", unit="ns"),
            Field(name="controls", shape=(stages, skill_size), dtype="<f4"),
            Field(name="skill", shape=(skill_size,), dtype="<f4"),
            Field(name="state_goal", shape=(state_size,), dtype="<f4"),
            Field(name="candidates", shape=(stages, max(1, candidates), skill_size), dtype="<f4"),
            Field(name="candidate_count", dtype="<i4"),
        ),
    )


def make_running_slot(*, stages: int, skill_size: int, state_size: int) -> RecordType:
    """What the policy follows since its last window began: for the planner, which plans on from there."""
    return RecordType(
        "running",
        10.0,
        (
            Field(name="plan_id", dtype="<i8"),
            Field(name="stage", dtype="<i4"),  # of the plan's skills, the one that runs
            Field(name="controls", shape=(stages, skill_size), dtype="<f4"),
            Field(name="state_goal", shape=(state_size,), dtype="<f4"),  # where the running skill is predicted to end
        ),
    )
