"""`bench stability`: largest stable stiffness of the coupling, and what the observer sees on either side of it.

Rows: limit by spectral radius (spec/hardware.md 6.7, check 3) against damping and rate, host-side and on-drive, held
and free, against walls, for an ideal torque source and for the drives' torque bandwidth, beside the small-delay formula
of 6.3. Checks: twins with the drive law just inside and outside every limit; random draws for the observer's bounds
(6.7, check 1); the whole control loop over the wire at a few points.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field, replace
from itertools import product
from typing import Annotated, Any

import numpy as np
import tyro

from benchmarks.arm_rig import ArmRig
from benchmarks.joint_pairs import (
    IDEAL_HZ,
    JointPairs,
    PairTwins,
    formula_nm_rad,
    largest_stiffness_nm_rad,
    spectral_radius,
)
from studio.cli.output import parse_arguments, write_result
from studio.control.settings import ControlSettings
from studio.core.config import check_range
from studio.core.geometry import FloatArray
from studio.robot.description import Robot, load_robot

_PERIODS_S = (0.001, 0.002, 0.0025, 0.004)
_DAMPINGS = (0.1, 0.5, 1.0, 2.0)
_WALLS_NM_RAD = (100.0, 1000.0, 10000.0)
_ENDS = [(False, 0.0), (True, 0.0), *((held, wall) for held in (False, True) for wall in _WALLS_NM_RAD)]
_MOST_NM_RAD = 5000.0
_MOST_LAG = 0.5
_TRIED_S = 0.8  # how long a kicked twin is watched
_KICK_RAD_S = 0.1
_CLEAR = 3.0  # a mode that changes by less in a third of that can hide behind others
INSIDE, NEAR, OUTSIDE = (0.02, 0.3), (0.3, 0.8), (1.3, 1.3)  # shares of the free limit (6.7, check 1)
BOUND_J = {INSIDE: -1e-6, NEAR: -1e-3, OUTSIDE: -1e-3}


@dataclass(frozen=True, kw_only=True)
class Options:
    """Stability of the bilateral coupling.

    Args:
        draws: random draws per region.
        seed: of the draws.
        json_path: write the result as JSON; `-` prints it.
    """

    draws: int = 1000
    seed: int = 0
    json_path: Annotated[str | None, tyro.conf.arg(name="json")] = field(default=None)

    def __post_init__(self) -> None:
        check_range("bench stability", "draws", self.draws, len(_PERIODS_S), 1_000_000)
        check_range("bench stability", "seed", self.seed, 0, 2**32 - 1)


@dataclass(frozen=True)
class Case:
    """One condition of the map."""

    inertia_kg_m2: float
    damping_nm_s_rad: float
    on_drive: bool
    held: bool
    wall_nm_rad: float


def make_cases() -> list[Case]:
    inertias = (0.005, 0.02, 0.07)  # wrist, elbow and shoulder of the shipped arm
    return [Case(j, b, own, *ends) for j, b, own, ends in product(inertias, _DAMPINGS, (False, True), _ENDS)]


def make_pairs(cases: list[Case], robot: Robot) -> JointPairs:
    """Joints of the cases; the hand is the scripted hand's, a wall is damped by a tenth of critical."""
    inertia = np.array([c.inertia_kg_m2 for c in cases])
    hand = np.array([_hand_nm_rad(robot, c.inertia_kg_m2) if c.held else 0.0 for c in cases])
    wall = np.array([c.wall_nm_rad for c in cases])
    return JointPairs(
        leader_inertia_kg_m2=inertia,
        follower_inertia_kg_m2=inertia,
        viscous_nm_s_rad=np.full(len(cases), 0.02),
        damping_nm_s_rad=np.array([c.damping_nm_s_rad for c in cases]),
        on_drive=np.array([c.on_drive for c in cases]),
        hand_nm_rad=hand,
        hand_nm_s_rad=2.0 * robot.hand_damping_ratio * np.sqrt(hand * inertia),
        wall_nm_rad=wall,
        wall_nm_s_rad=0.2 * np.sqrt(wall * inertia),
    )


def _hand_nm_rad(robot: Robot, inertia_kg_m2: float) -> float:
    nearest = int(np.argmin(np.abs(robot.leader_inertia_kg_m2 - inertia_kg_m2)))
    return float(robot.hand_stiffness_nm_rad[nearest])


def make_rows(robot: Robot, periods_s: tuple[float, ...] = _PERIODS_S) -> list[dict[str, Any]]:
    """The map, each limit tried out on twins at 0.8 and 1.25 of it."""
    cases = make_cases()
    pairs, rows = make_pairs(cases, robot), []
    for period_s in periods_s:
        formula = formula_nm_rad(pairs, period_s)
        ideal = largest_stiffness_nm_rad(pairs, period_s, IDEAL_HZ, _MOST_NM_RAD)
        bandwidth_hz = robot.motor.torque_bandwidth_hz
        real = largest_stiffness_nm_rad(pairs, period_s, bandwidth_hz, _MOST_NM_RAD)
        inside = _swings_decay(robot, pairs, 0.8 * real, period_s, bandwidth_hz)
        outside = _swings_decay(robot, pairs, 1.25 * real, period_s, bandwidth_hz)
        radius = spectral_radius(pairs, 1.25 * real, period_s, bandwidth_hz)  # walls have stable islands above
        slow = np.abs(np.log(radius)) * _TRIED_S / 3.0 / period_s < np.log(_CLEAR)
        for i, case in enumerate(cases):
            rows.append(
                {
                    "where": "drive" if case.on_drive else "host",
                    "ends": f"{'held' if case.held else 'free'}/{'wall' if case.wall_nm_rad else 'free'}",
                    "wall_nm_rad": case.wall_nm_rad,
                    "inertia_kg_m2": case.inertia_kg_m2,
                    "rate_hz": round(1.0 / period_s),
                    "damping_nm_s_rad": case.damping_nm_s_rad,
                    "formula_nm_rad": round(float(formula[i]), 1),
                    "ideal_source_nm_rad": round(float(ideal[i]), 1),
                    "twin_nm_rad": round(float(real[i]), 1),
                    "capped": bool(real[i] >= 0.999 * _MOST_NM_RAD),
                    "twin_decays_inside": bool(inside[i]),
                    "twin_as_predicted_outside": bool(slow[i] or outside[i] == (radius[i] < 1.0)),
                    "too_slow_to_tell": bool(slow[i]),
                }
            )
    return rows


def _swings_decay(
    robot: Robot, pairs: JointPairs, stiffness: FloatArray, period_s: float, bandwidth_hz: float
) -> np.ndarray:
    """Whether a kick dies out in twins: the later swings between the arms are smaller than the earlier ones, [N]."""
    twins = PairTwins(robot, pairs, period_s, bandwidth_hz)
    twins.state[1, : len(pairs)] = _KICK_RAD_S
    with np.errstate(over="ignore", invalid="ignore"):
        trace = twins.run(stiffness, round(_TRIED_S / period_s))
    speed = np.abs(trace.velocity_rad_s[:, 0] - trace.velocity_rad_s[:, 1])
    third = len(speed) // 3
    late = np.nan_to_num(speed[-third:].max(axis=0), nan=np.inf)
    # what has grown up to the twins' torque limit grows no more
    return (late < speed[third : 2 * third].max(axis=0) + 1e-9) & (late < 10.0 * _KICK_RAD_S)


# Random draws.


def draw_pairs(random: np.random.Generator, count: int, *, on_drive: bool) -> JointPairs:
    """Joints, gains, hands (a passive mass, spring and damper) and surroundings at random."""
    inertia = np.exp(random.uniform(np.log(0.003), np.log(0.1), count))
    held, touching = random.random(count) < 0.75, random.random(count) < 0.75
    wall = np.where(touching, np.exp(random.uniform(np.log(10.0), np.log(1e4), count)), 0.0)
    leader = inertia * np.where(held, random.uniform(1.0, 2.0, count), 1.0)
    hand = np.where(held, random.uniform(5.0, 300.0, count), 0.0)
    return JointPairs(
        leader_inertia_kg_m2=leader,
        follower_inertia_kg_m2=inertia,
        viscous_nm_s_rad=random.uniform(0.01, 0.1, count),
        damping_nm_s_rad=np.exp(random.uniform(np.log(0.05), np.log(2.0), count)),
        on_drive=np.full(count, on_drive),
        hand_nm_rad=hand,
        hand_nm_s_rad=2.0 * random.uniform(0.2, 1.0, count) * np.sqrt(hand * leader),
        wall_nm_rad=wall,
        wall_nm_s_rad=np.where(touching, random.uniform(0.0, 1.0, count), 0.0),
    )


@dataclass(frozen=True)
class DrawResult:
    """Least W of every draw [N] in J with E0 = 0, and the share of its limit that it was given."""

    least_j: FloatArray
    share: FloatArray


def run_draws(
    robot: Robot,
    region: tuple[float, float],
    count: int,
    seed: int,
    *,
    on_drive: bool = True,
    bandwidth_hz: float = IDEAL_HZ,
) -> DrawResult:
    """Draws with a stiffness in a region of the limit, as many for each rate.

    The limit is the smaller of the one with both ends free (6.7, check 3) and the one with the draw's own hand and
    wall: a lightly damped wall can be the worse of the two. Draws whose damping alone leaves the small-delay case
    (`lag_number`), or that no stiffness makes stable, are drawn again.
    """
    random, energies, shares = np.random.default_rng(seed), [], []
    for number, period_s in enumerate(_PERIODS_S):
        wanted = count * (number + 1) // len(_PERIODS_S) - count * number // len(_PERIODS_S)
        pairs = draw_pairs(random, 6 * wanted + 20, on_drive=on_drive)
        pairs = pairs.take(np.flatnonzero(lag_number(pairs, period_s) < _MOST_LAG)[: wanted + wanted // 2 + 10])
        free = largest_stiffness_nm_rad(pairs.free(), period_s, bandwidth_hz, _MOST_NM_RAD)
        limit = np.minimum(free, largest_stiffness_nm_rad(pairs, period_s, bandwidth_hz, _MOST_NM_RAD))
        usable = np.flatnonzero((limit > 1.0) & (limit < 0.99 * _MOST_NM_RAD))[:wanted]
        share = random.uniform(*region, len(usable))
        energies.append(_least_energy(robot, random, pairs.take(usable), share * limit[usable], period_s, bandwidth_hz))
        shares.append(share)
    return DrawResult(np.concatenate(energies), np.concatenate(shares))


def lag_number(pairs: JointPairs, period_s: float) -> FloatArray:
    """2 B tau / J, how far the damping is from the small-delay case (6.3), halved on the drive, which bears twice."""
    number = 3.0 * pairs.damping_nm_s_rad * period_s / pairs.follower_inertia_kg_m2
    return np.where(pairs.on_drive, 0.5 * number, number)


def _least_energy(
    robot: Robot,
    random: np.random.Generator,
    pairs: JointPairs,
    stiffness: FloatArray,
    period_s: float,
    bandwidth_hz: float,
) -> FloatArray:
    count = len(pairs)
    twins = PairTwins(robot, pairs, period_s, bandwidth_hz)
    twins.state[1, :count] = random.uniform(-0.2, 0.2, count)
    amplitude, phase = random.uniform(0.0, 0.3, (2, count)), random.uniform(0.0, 2 * np.pi, (2, count))
    rate = 2 * np.pi * random.uniform(0.3, 3.0, (2, count))

    def hand_rad(t_s: float) -> FloatArray:
        return (amplitude * (np.sin(rate * t_s + phase) - np.sin(phase))).sum(axis=0)

    with np.errstate(over="ignore", invalid="ignore"):
        trace = twins.run(stiffness, round(1.0 / period_s), hand_rad)
    return np.nan_to_num(trace.energy_j, nan=-np.inf).min(axis=0)


def check_draws(robot: Robot, count: int, seed: int) -> list[dict[str, Any]]:
    """Every region: how many of the draws keep W above the bound of 6.7, and the least W of all.

    The accepted region is that of the law in use, computed in the drives. The same on the host is shown beside it: that
    law is active inside its stable region, as 6.7 says.
    """
    rows = []
    for number, region in enumerate((INSIDE, NEAR, OUTSIDE)):
        for where in ("drive", "host"):
            least = run_draws(robot, region, count, seed + number, on_drive=where == "drive").least_j
            rows.append(
                {
                    "share_of_limit": list(region),
                    "where": where,
                    "draws": len(least),
                    "bound_j": BOUND_J[region],
                    "within": int((least >= BOUND_J[region]).sum()),
                    "least_j": max(float(least.min()), -1e300),
                    "median_least_j": max(float(np.median(least)), -1e300),
                }
            )
    return rows


# The whole loop.


def check_loop(robot: Robot, factors: tuple[float, ...] = (0.7, 1.4)) -> list[dict[str, Any]]:
    """Every joint of the shipped arm through the real loop and the wire, free at both ends, at shares of its limit."""
    motor = replace(robot.motor, coulomb_friction_nm=0.0)
    damping = np.tile([0.6, 0.6, 0.4, 0.2], robot.pairs)
    inertia = robot.leader_inertia_kg_m2
    none = np.zeros(robot.joints)
    pairs = JointPairs(
        leader_inertia_kg_m2=inertia,
        follower_inertia_kg_m2=inertia,
        viscous_nm_s_rad=np.full(robot.joints, motor.viscous_friction_nm_s_rad),
        damping_nm_s_rad=damping,
        on_drive=np.ones(robot.joints, dtype=bool),
        hand_nm_rad=none,
        hand_nm_s_rad=none,
        wall_nm_rad=none,
        wall_nm_s_rad=none,
    )
    limit = largest_stiffness_nm_rad(pairs, 1.0 / robot.loop_rate_hz, motor.torque_bandwidth_hz)
    rows: list[dict[str, Any]] = []
    for factor in factors:
        given = replace(robot, motor=motor, stiffness_nm_rad=factor * limit, damping_nm_s_rad=damping)
        early, late = _swing(given)
        rows += [_loop_row(robot, j, factor, limit[j], early[j], late[j]) for j in range(robot.joints_per_arm)]
    return rows


def _swing(robot: Robot) -> tuple[FloatArray, FloatArray]:
    """Largest angle between the arms early and late after a start 0.02 rad apart, [joints]."""
    settings = ControlSettings(coupling_ramp_s=0.0, passivity_damping_nm_s_rad=0.0)
    rig = ArmRig(robot, settings, physics_rate_hz=20000.0)
    rig.place(robot.home_rad + 0.02, robot.home_rad)
    rig.engage()
    apart = []
    for _ in range(300):
        rig.ticks(1)
        position = rig.position_rad
        apart.append(np.abs(position[0] - position[1]) if rig.engaged else np.full(robot.joints, np.inf))
    rig.close()
    return np.max(apart[10:60], axis=0), np.max(apart[240:], axis=0)


def _loop_row(robot: Robot, joint: int, factor: float, limit: float, early: float, late: float) -> dict[str, Any]:
    decays = bool(late < 0.5 * early)
    return {
        "joint": robot.joint_names[joint],
        "share_of_limit": factor,
        "stiffness_nm_rad": round(float(factor * limit), 1),
        "early_rad": round(float(min(early, 1e3)), 5),
        "late_rad": round(float(min(late, 1e3)), 5),
        "as_predicted": decays == (factor < 1.0),
    }


def _violations(rows: list[dict[str, Any]], draws: list[dict[str, Any]], loop: list[dict[str, Any]]) -> Iterator[str]:
    for row in rows:
        if (
            not row["capped"]
            and row["twin_nm_rad"] > 0.0
            and not (row["twin_decays_inside"] and row["twin_as_predicted_outside"])
        ):
            yield f"twins disagree with the spectral limit: {row}"
    for row in draws:
        if row["where"] == "host":
            continue
        inside = row["share_of_limit"][1] < 1.0
        if inside and row["within"] < row["draws"]:
            yield f"W below its bound inside the region: {row}"
        if not inside and row["within"] == row["draws"]:
            yield f"no draw outside the region broke the bound: {row}"
    for row in loop:
        if not row["as_predicted"]:
            yield f"the loop disagrees: {row}"


def run(arguments: list[str]) -> int:
    """Run the benchmark; ends with code 5 when a check fails."""
    options = parse_arguments(Options, arguments, "main.py bench stability")
    robot = load_robot()
    rows = make_rows(robot)
    draws, loop = check_draws(robot, options.draws, options.seed), check_loop(robot)
    wrong = list(_violations(rows, draws, loop))
    result = {"rows": rows, "draws": draws, "loop": loop, "violations": wrong}
    text = [*make_table(rows, round(robot.loop_rate_hz)), *_draw_words(draws), *_loop_words(loop), *wrong]
    write_result(result, options.json_path, text="\n".join(text))
    return 5 if wrong else 0


def make_table(rows: list[dict[str, Any]], rate_hz: int) -> Iterator[str]:
    """At one rate: formula and ideal source with free ends, twins with every pair of ends; the rest is in the JSON."""
    yield f"Largest stable stiffness at {rate_hz} Hz, N·m/rad; twins with the drives' torque bandwidth:\n"
    ends = ("free/free", "held/free", "free/wall", "held/wall")
    yield "| law | J, kg·m² | B, N·m·s/rad | formula | ideal source | " + " | ".join(f"twin {e}" for e in ends) + " |"
    yield "|" + (5 + len(ends)) * "---|"
    groups: dict[tuple[str, float, float], list[dict[str, Any]]] = {}
    for row in rows:
        if row["rate_hz"] == rate_hz:
            key = row["where"], row["inertia_kg_m2"], row["damping_nm_s_rad"]
            groups.setdefault(key, []).append(row)
    for (where, inertia, damping), group in groups.items():
        free = next(row for row in group if row["ends"] == "free/free")
        twins = [_least([row for row in group if row["ends"] == end]) for end in ends]
        values = f"{free['formula_nm_rad']:.0f} | {free['ideal_source_nm_rad']:.0f} | {' | '.join(twins)}"
        yield f"| {where} | {inertia:g} | {damping:g} | {values} |"
    yield "\nWith a wall: the least over all walls. More than was tried is shown as `>`.\n"


def _least(rows: list[dict[str, Any]]) -> str:
    least = min(rows, key=lambda row: row["twin_nm_rad"])
    return f"{'> ' if least['capped'] else ''}{least['twin_nm_rad']:.0f}"


def _draw_words(draws: list[dict[str, Any]]) -> Iterator[str]:
    for row in draws:
        low, high = row["share_of_limit"]
        share = f"{low:g} to {high:g}" if low < high else f"{low:g}"
        kept = f"W at least {row['bound_j']:g} J in {row['within']} of {row['draws']} draws"
        yield f"{row['where']}, {share} of the limit: {kept}, least {row['least_j']:.2g} J"


def _loop_words(loop: list[dict[str, Any]]) -> Iterator[str]:
    right = sum(row["as_predicted"] for row in loop)
    yield f"the whole loop over the wire: {right} of {len(loop)} joints and stiffnesses behave as predicted"
