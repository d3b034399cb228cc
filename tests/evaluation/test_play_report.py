from __future__ import annotations

import numpy as np
import pytest

from studio.core.task import load_task
from studio.evaluation.play_report import HAND_EVERY, count_flips, measure_play

TASK = load_task("move_box")
_HALF = np.sqrt(0.5)


def test_a_made_up_minute() -> None:
    """60 s at 50 Hz: 30 s still, then on another face; touched for 15 s, by both hands for 6 s, moving for 10 s."""
    n = 3000
    t_s = np.arange(n) / 50
    position = np.tile([0.02, 0.0, 0.05], (n, 1))
    position[:500, 0] = -0.05 + 0.06 * np.arange(500) / 500  # 6 cm in 10 s, below 1 cm/s
    position[500:1000, 0] = 0.01 + 0.2 * np.arange(500) / 500  # 2 cm/s
    position[1000:, 0] = 0.21
    orientation = np.tile([0.0, 0.0, 0.0, 1.0], (n, 1))
    orientation[1500:] = [_HALF, 0.0, 0.0, _HALF]
    force = np.zeros((n, 2, 3))
    force[:750, 0, 1] = 3.0
    force[:300, 1, 1] = -3.0
    force[800:900, 1, 2] = 0.1  # noise
    report = measure_play(TASK, t_s, position, orientation, force)
    assert report.sim_s == pytest.approx(60.0)
    assert report.contact_share == pytest.approx(0.25) and report.both_hands_share == pytest.approx(0.1)
    assert report.moving_share == pytest.approx(1 / 6, abs=0.01)
    assert (report.flips, report.flips_per_min, report.faces_up) == (1, pytest.approx(1.0), 2)
    assert report.up_face_s == pytest.approx((0, 0, 30, 0, 30, 0))
    assert report.xy_cells_visited == 14
    forces = (report.contact_force_median_n, report.contact_force_p95_n, report.contact_force_largest_n)
    assert forces == pytest.approx((3.0, 3.0, 3.0))
    assert report.force_histogram == (0, 0, 1, 0, 0, 0, 0)
    assert report.to_json()["up_face_s"] == [0.0, 0.0, 30.0, 0.0, 30.0, 0.0]
    assert report.object_speed_median_m_s == pytest.approx(0.02, rel=0.05)
    assert report.touch_speed_median_m_s == 0.0  # nobody said where the hands were


def test_every_minute_has_its_own_facts() -> None:
    """Two and a half minutes: the second one alone has contact and a hand that moves at 5 cm/s."""
    n = 7500
    position, orientation = np.tile([0.02, 0.0, 0.05], (n, 1)), np.tile([0.0, 0.0, 0.0, 1.0], (n, 1))
    force, tips = np.zeros((n, 2, 3)), np.zeros((n // HAND_EVERY, 2, 3))
    force[3000:6000, 0, 0] = 4.0
    tips[600:1200, 0, 1] = 0.005 * np.arange(600)
    tips[1200:, 0, 1] = tips[1199, 0, 1]
    orientation[4000:] = [_HALF, 0.0, 0.0, _HALF]
    report = measure_play(TASK, np.arange(n) / 50, position, orientation, force, tips_m=tips)
    assert [minute.sim_s for minute in report.per_minute] == pytest.approx([60.0, 60.0, 30.0])
    assert [minute.contact_share for minute in report.per_minute] == pytest.approx([0.0, 1.0, 0.0])
    assert [minute.flips for minute in report.per_minute] == [0, 1, 0] and report.flips == 1
    assert report.per_minute[1].touch_speed_median_m_s == pytest.approx(0.05)
    data = report.to_json()
    assert len(data["per_minute"]) == 3 and data["per_minute"][1]["force_histogram"][2] == 1.0
    assert data["force_histogram_edges_n"][0] > 0 and "per_minute" not in data["per_minute"][0]


def test_a_tumble_in_the_air_is_one_flip() -> None:
    faces = np.array([4, 4, 2, 1, 5, 5, 5, 2, 5])
    flat = np.array([1, 1, 0, 0, 1, 1, 1, 0, 1], dtype=bool)
    assert count_flips(faces, flat) == 1
    assert count_flips(faces, np.zeros(9, dtype=bool)) == 0


def test_nothing_played() -> None:
    report = measure_play(TASK, np.zeros(0), np.zeros((0, 3)), np.zeros((0, 4)), np.zeros((0, 2, 3)))
    assert report.sim_s == 0.0 and report.flips == 0 and sum(report.force_histogram) == 0


def test_yaw_entropy_tells_one_direction_from_all() -> None:
    n = 1200
    yaw = np.linspace(-np.pi, np.pi, n, endpoint=False)
    around = np.stack([np.zeros(n), np.zeros(n), np.sin(yaw / 2), np.cos(yaw / 2)], axis=1)
    still = np.tile([0.0, 0.0, 0.0, 1.0], (n, 1))
    position, force = np.tile([0.0, 0.0, 0.05], (n, 1)), np.zeros((n, 2, 3))
    assert measure_play(TASK, np.arange(n) / 50, position, around, force).yaw_entropy > 0.99
    assert measure_play(TASK, np.arange(n) / 50, position, still, force).yaw_entropy == 0.0
