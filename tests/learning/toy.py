"""Toy play in numpy: two arms wander, a fingertip that meets the box pushes it out of its way. No physics engine."""

from __future__ import annotations

from types import SimpleNamespace
from typing import Any

import numpy as np

from studio.core.task import StateBlock, Task, load_task
from studio.learning.kinematics import ArmGeometry

GEOMETRY = ArmGeometry(
    robot="dual_arm_ak60",
    arm_bases_m=((-0.30, 0.17, 0.16), (-0.30, -0.17, 0.16)),
    link_lengths_m=(0.28, 0.28, 0.14),
)
HOME_RAD = np.array([0.0, -0.6, 1.6, 0.57, 0.0, -0.6, 1.6, 0.57])
LIMIT_M = 0.05 + 0.018


def tips(q: np.ndarray) -> np.ndarray:
    """Fingertips [2, 3] of joint positions [8]."""
    found = []
    for arm, base in enumerate(np.asarray(GEOMETRY.arm_bases_m)):
        yaw, *pitches = q[4 * arm : 4 * arm + 4]
        angle = np.cumsum(pitches)
        reach = float(np.cos(angle) @ GEOMETRY.link_lengths_m)
        drop = float(np.sin(angle) @ GEOMETRY.link_lengths_m)
        found.append(base + np.array([reach * np.cos(yaw), reach * np.sin(yaw), -drop]))
    return np.stack(found)


def pushed_box(seed: int, ticks: int, rate_hz: float = 100.0) -> tuple[np.ndarray, np.ndarray]:
    """States [T, 28] as in the task move_box, actions [T, 16]."""
    rng = np.random.default_rng(seed)
    t_s = np.arange(ticks + 1) / rate_hz
    rates = rng.uniform(0.2, 0.7, (3, 8))
    phases = rng.uniform(0, 2 * np.pi, (3, 8))
    sway = np.array([0.5, 0.35, 0.35, 0.2] * 2) / 2
    angle = 2 * np.pi * rates[:, None] * t_s[None, :, None] + phases[:, None]
    leader = HOME_RAD + sway * np.sin(angle).sum(0)
    leader_velocity = np.gradient(leader, 1 / rate_hz, axis=0)
    follower = leader - 0.02 * leader_velocity
    velocity = np.gradient(follower, 1 / rate_hz, axis=0)
    box, yaw = np.array([0.05, 0.0, 0.05]), 0.0
    states = np.zeros((ticks, 28), dtype=np.float32)
    for k in range(ticks):
        for tip in tips(follower[k]):
            gap = tip[:2] - box[:2]
            if tip[2] < 0.12 and np.abs(gap).max() < LIMIT_M:
                axis = int(np.argmax(np.abs(gap)))
                box[axis] = tip[axis] - np.sign(gap[axis]) * LIMIT_M
                yaw += 0.5 * gap[1 - axis] * np.sign(gap[axis])
        if np.abs(box[:2]).max() > 0.25:
            box[:2] *= 0.5
        c, s = np.cos(yaw), np.sin(yaw)
        states[k] = np.r_[follower[k], velocity[k], box, c, -s, 0, s, c, 0, 0, 0, 1]
    actions = np.concatenate([leader - follower, leader_velocity], axis=1)[:ticks]
    return states, actions.astype(np.float32)


def make_windows(states: np.ndarray, actions: np.ndarray, task: Task, *, window: int, rate_hz: float) -> Any:
    """What `load_windows` gives, cut so that the last fifth is held out."""
    last = len(states) - window
    cut = int(0.8 * last)
    return SimpleNamespace(
        states=states,
        actions=actions,
        train_starts=np.arange(cut - window),
        held_out_starts=np.arange(cut, last),
        window=window,
        rate_hz=rate_hz,
        task=task,
        action_names=tuple(f"a{i}" for i in range(actions.shape[1])),
        lineage={"dataset": "toy"},
    )


def box_windows(seed: int = 0, ticks: int = 6000, window: int = 10) -> Any:
    return make_windows(*pushed_box(seed, ticks), load_task("move_box"), window=window, rate_hz=100.0)


def vector_task(size: int) -> Task:
    return Task(
        name="plain", title="Plain", state=(StateBlock(name="state", stream="observation", field="state", size=size),)
    )


def vector_windows(seed: int = 0, ticks: int = 4000, size: int = 5, window: int = 8) -> Any:
    """Imported-like data: one vector block, recorded actions; two modes of motion."""
    rng = np.random.default_rng(seed)
    target = np.repeat(rng.choice([-1.0, 1.0], ticks // 40 + 1), 40)[:ticks, None] * np.linspace(0.5, 1.5, size)
    states = np.zeros((ticks, size), dtype=np.float32)
    for k in range(1, ticks):
        states[k] = states[k - 1] + 0.08 * (target[k - 1] - states[k - 1]) + 0.005 * rng.normal(size=size)
    return make_windows(states, target.astype(np.float32), vector_task(size), window=window, rate_hz=30.0)
