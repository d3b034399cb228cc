from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from studio.core.errors import ConfigError
from studio.core.geometry import quaternion_to_matrix, rotation_angle_rad, up_face
from studio.core.task import load_task
from studio.evaluation.goals import GOAL_CLASSES, goal_seeds, load_cases, make_cases

TASK = load_task("move_box")


def _turns(goal_class: str, count: int = 60) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    cases = make_cases(TASK, goal_class, count, 5)
    starts = quaternion_to_matrix(np.array([case.start_orientation_xyzw for case in cases]))
    goals = np.stack([case.goal.matrix() for case in cases])
    return rotation_angle_rad(starts, goals), up_face(starts), up_face(goals)


def test_easy_goals_keep_the_face_and_turn_at_most_45_degrees() -> None:
    turns, first, second = _turns("easy")
    assert (first == second).all()
    assert turns.max() <= np.pi / 4 + 1e-6
    assert turns.max() > 0.6


def test_planar_goals_keep_the_face_and_turn_anyhow() -> None:
    turns, first, second = _turns("planar")
    assert (first == second).all()
    assert turns.max() > 2.8


def test_full_goals_show_every_face() -> None:
    _, first, second = _turns("full")
    assert set(second) == set(range(6))
    assert 0.5 < (first != second).mean() < 1.0


@pytest.mark.parametrize("goal_class", GOAL_CLASSES)
def test_places_are_in_the_area_and_apart(goal_class: str) -> None:
    for case in make_cases(TASK, goal_class, 50, 1):
        for place in (case.start_position_m, case.goal.position_m):
            assert TASK.area_x_m[0] <= place[0] <= TASK.area_x_m[1]
            assert TASK.area_y_m[0] <= place[1] <= TASK.area_y_m[1]
            assert place[2] == TASK.object_rest_height_m
        apart_m = np.hypot(*np.subtract(case.start_position_m, case.goal.position_m)[:2])
        assert apart_m >= 0.03


def test_lists_are_published_and_prefixes_agree() -> None:
    assert goal_seeds(1, 3) == [1000, 1001, 1002]
    assert make_cases(TASK, "full", 40, 1)[:20] == make_cases(TASK, "full", 20, 1)
    assert make_cases(TASK, "easy", 1, 1) != make_cases(TASK, "easy", 1, 2)


@pytest.mark.parametrize(("goal_class", "count"), [("hard", 5), ("easy", 0)])
def test_wrong_requests_are_refused(goal_class: str, count: int) -> None:
    with pytest.raises(ConfigError):
        make_cases(TASK, goal_class, count, 1)


def test_goals_file_round_trip(tmp_path: Path) -> None:
    path = tmp_path / "corner.toml"
    path.write_text('[[goal]]\nname = "corner"\nposition_m = [0.05, 0.1, 0.05]\norientation_xyzw = [0, 0, 0, 1]\n')
    (case,) = load_cases(TASK, path, 1)
    assert case.goal.position_m == (0.05, 0.1, 0.05)
    assert np.hypot(case.start_position_m[0] - 0.05, case.start_position_m[1] - 0.1) >= 0.03


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("", "no \\[\\[goal\\]\\]"),
        ('[[goal]]\nname = "far"\nposition_m = [0.9, 0, 0.05]\norientation_xyzw = [0, 0, 0, 1]\n', "x is 0.900 m"),
        ("[[goal]]\nposition_m = [0, 0, 0.05]\n", "orientation_xyzw"),
        ("[[goal]]\nposition_m = [0, 0, 0.05]\norientation_xyzw = [0, 0, 0, 3]\n", "length 3"),
        ("[[goal", "not valid TOML"),
    ],
)
def test_bad_goals_files_say_what_is_wrong(tmp_path: Path, text: str, said: str) -> None:
    path = tmp_path / "bad.toml"
    path.write_text(text)
    with pytest.raises(ConfigError, match=said):
        load_cases(TASK, path, 1)
