"""Closed-form geometry of one 4-joint arm, in plain floats because four joints are too few for arrays to pay.

Joint 1 turns about +z, joints 2, 3, 4 about +y (positive tips the link down); at zero the arm lies along +x.
tip = base + Rz(q1) [L1 c2 + L2 c23 + L3 c234, 0, -(L1 s2 + L2 s23 + L3 s234)].
"""

from __future__ import annotations

from collections.abc import Sequence
from math import acos, atan2, cos, hypot, pi, sin

Lengths = tuple[float, float, float]
JOINTS_PER_ARM = 4
_STRETCH = 0.998  # of the full length, so that the elbow never locks
FORCE_DAMPING_M2 = 4e-4
_MIN_RADIUS_M = 0.06  # nearer to the yaw axis than this the yaw angle means nothing


def tip_of_arm(base: Sequence[float], lengths: Lengths, q: Sequence[float]) -> tuple[float, float, float]:
    """Centre of the ball in m for joint angles q[4] in rad."""
    a2 = q[1]
    a3 = a2 + q[2]
    a4 = a3 + q[3]
    reach = lengths[0] * cos(a2) + lengths[1] * cos(a3) + lengths[2] * cos(a4)
    drop = lengths[0] * sin(a2) + lengths[1] * sin(a3) + lengths[2] * sin(a4)
    return base[0] + cos(q[0]) * reach, base[1] + sin(q[0]) * reach, base[2] - drop


def jacobian_of_arm(lengths: Lengths, q: Sequence[float]) -> list[list[float]]:
    """d tip / d q, three rows of four, m/rad."""
    a2 = q[1]
    a3 = a2 + q[2]
    a4 = a3 + q[3]
    x4, z4 = lengths[2] * cos(a4), lengths[2] * sin(a4)
    x3, z3 = lengths[1] * cos(a3) + x4, lengths[1] * sin(a3) + z4
    x2, z2 = lengths[0] * cos(a2) + x3, lengths[0] * sin(a2) + z3
    c, s = cos(q[0]), sin(q[0])
    return [
        [-s * x2, -c * z2, -c * z3, -c * z4],
        [c * x2, -s * z2, -s * z3, -s * z4],
        [0.0, -x2, -x3, -x4],
    ]


def inverse_arm(
    base: Sequence[float], lengths: Lengths, tip: Sequence[float], seed_yaw_rad: float = 0.0
) -> list[float]:
    """Joint angles for a tip position: hand vertical, tilted outward only as far as reach demands, elbow up.

    A target out of reach gives the stretched arm pointing at it; the yaw keeps to its seed near the yaw axis.
    """
    x, y = tip[0] - base[0], tip[1] - base[1]
    radius, height = hypot(x, y), tip[2] - base[2]
    yaw = atan2(y, x) if radius > 1e-6 else seed_yaw_rad
    radius = max(radius, _MIN_RADIUS_M)
    upper, fore, hand = lengths
    longest = (upper + fore) * _STRETCH
    distance = hypot(radius, height)
    full = (longest + hand) * 0.999
    if distance > full:
        radius, height, distance = radius * full / distance, height * full / distance, full
    wrist_x, wrist_z = radius, height + hand
    if hypot(wrist_x, wrist_z) > longest:
        tilt = _outward_tilt(radius, height, distance, longest, hand)
        wrist_x, wrist_z = radius - hand * sin(tilt), height + hand * cos(tilt)
    else:
        tilt = 0.0
    span = min(max(hypot(wrist_x, wrist_z), abs(upper - fore) + 1e-4), longest)
    bend = acos(min(1.0, max(-1.0, (span * span - upper * upper - fore * fore) / (2 * upper * fore))))
    q2 = -atan2(wrist_z, wrist_x) - atan2(fore * sin(bend), upper + fore * cos(bend))
    return [yaw, q2, bend, pi / 2 - tilt - q2 - bend]


def _outward_tilt(radius: float, height: float, distance: float, longest: float, hand: float) -> float:
    """Smallest tilt that brings the wrist to `longest`: height cos t - radius sin t = c, so distance cos(t + a) = c."""
    c = (longest * longest - distance * distance - hand * hand) / (2 * hand)
    ratio = min(1.0, max(-1.0, c / distance))
    return acos(ratio) - atan2(radius, height)


def force_of_arm(lengths: Lengths, q: Sequence[float], torque: Sequence[float]) -> tuple[float, float, float]:
    """Force in N at the tip that fits joint torques [4] in N*m best, torque = J^T force; damped where singular.

    In cylinder coordinates the yaw joint alone gives the tangential force; the three pitch joints give the radial and
    the vertical one by least squares.
    """
    upper, fore, hand = lengths
    q1, a2, q3, q4 = q
    torque1, torque2, torque3, torque4 = torque
    a3 = a2 + q3
    a4 = a3 + q4
    x4, z4 = hand * cos(a4), hand * sin(a4)
    x3, z3 = fore * cos(a3) + x4, fore * sin(a3) + z4
    x2, z2 = upper * cos(a2) + x3, upper * sin(a2) + z3
    tangential = torque1 * x2 / (x2 * x2 + FORCE_DAMPING_M2)
    zz = z2 * z2 + z3 * z3 + z4 * z4 + FORCE_DAMPING_M2
    xx = x2 * x2 + x3 * x3 + x4 * x4 + FORCE_DAMPING_M2
    xz = x2 * z2 + x3 * z3 + x4 * z4
    radial_sum = -(z2 * torque2 + z3 * torque3 + z4 * torque4)
    vertical_sum = -(x2 * torque2 + x3 * torque3 + x4 * torque4)
    determinant = zz * xx - xz * xz
    radial = (xx * radial_sum - xz * vertical_sum) / determinant
    vertical = (zz * vertical_sum - xz * radial_sum) / determinant
    c, s = cos(q1), sin(q1)
    return c * radial - s * tangential, s * radial + c * tangential, vertical
