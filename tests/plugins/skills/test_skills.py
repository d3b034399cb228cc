"""Skills: what is asked of the workers, the table and ghosts, and what was predicted against what happened."""

from __future__ import annotations

import time
from collections.abc import Iterator
from typing import Any

import numpy as np
import pytest
from PySide6.QtCore import QPoint, Qt
from PySide6.QtTest import QTest
from PySide6.QtWidgets import QApplication
from pytestqt.qtbot import QtBot

from plugins.skills.skill import skill_title
from studio.app.theme import apply_theme
from studio.core.records import Driver, PairState
from tests.plugins.feed import Feed, connect, make_screen, run
from tests.plugins.wire import Wire, write_bundle

FLAT = (0.0, 0.0, 0.0, 1.0)
STAGES = 10


def make_values(end_m: tuple[float, float, float], share: float) -> dict[str, Any]:
    """One skill as the planner worker says it: the box slides from where the feed has it to `end_m`."""
    path = np.linspace([0.02, 0.03, 0.05], end_m, STAGES + 1)
    moved = np.linalg.norm(path[:, :2] - path[0, :2], axis=1)
    middle = {"height_m": path[:, 2], "turn_rad": np.zeros(STAGES + 1), "moved_m": moved}
    return {
        "controls": [[0.1 * share] * 8] * STAGES,
        "position_m": path.tolist(),
        "orientation_xyzw": [list(FLAT)] * (STAGES + 1),
        "tips_m": np.tile([[0.0, 0.1, 0.1], [0.0, -0.1, 0.1]], (STAGES + 1, 1, 1)).tolist(),
        "joints_rad": np.zeros((STAGES + 1, 8)).tolist(),
        "middle": {name: values.tolist() for name, values in middle.items()},
        "bands": {name: [(v - 0.01).tolist(), (v + 0.01).tolist()] for name, v in middle.items()},
        "spread_m": 0.012,
        "share": share,
        "turn_rad": 0.0,
        "touches": [True, False],
        "outside": "",
    }


SKILLS = [make_values((0.02, 0.10, 0.05), 0.6), make_values((0.09, 0.03, 0.05), 0.4)]


@pytest.fixture
def panel(feed: Feed, wire: Wire, qtbot: QtBot, qapp: QApplication) -> Iterator[Any]:
    apply_theme(qapp, "dark")
    feed.pose_record["orientation_xyzw"] = FLAT
    host, _, shown = make_screen(feed, "skills")
    qtbot.addWidget(shown)
    shown.resize(1364, 824)
    shown.show()
    connect(feed, shown)
    yield shown
    shown.close()
    host.close()


def sample(panel: Any, feed: Feed, wire: Wire) -> str:
    """A bundle, a sample, its answer; the bundle's path."""
    path = str(write_bundle(feed.studio.project.folder("bundles") / "box-play-3"))
    panel.shown()
    wire.say("planner", "ready", bundle=path)
    request = wire.sent_to("planner", "sample_skills")[-1]["request"]
    wire.say("planner", "skills", request=request, skills=SKILLS, problem="")
    return path


# ---- words --------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("end_m", "end_xyzw", "title"),
    [
        ((0.1, 0.0, 0.05), FLAT, "Push away"),
        ((-0.1, 0.0, 0.05), FLAT, "Pull near"),
        ((0.0, 0.1, 0.05), FLAT, "Push left"),
        ((0.02, -0.1, 0.05), FLAT, "Push right"),
        ((0.02, 0.0, 0.12), FLAT, "Lift"),
        ((0.0, 0.0, 0.05), (0.0, 0.0, 0.3827, 0.9239), "Turn"),
        ((0.1, 0.0, 0.05), (0.0, 0.0, 0.3827, 0.9239), "Push away, turn"),
        ((0.1, 0.0, 0.05), (0.7071, 0.0, 0.0, 0.7071), "Tip over"),
        ((0.002, 0.0, 0.05), FLAT, "No push"),
    ],
)
def test_a_skill_is_named_after_what_the_box_does(end_m: tuple[float, ...], end_xyzw: tuple, title: str) -> None:
    path = np.linspace([0.0, 0.0, 0.05], end_m, 11)
    assert skill_title(path, np.array([FLAT] * 10 + [end_xyzw], dtype=float)) == title


def test_without_a_bundle_the_screen_says_what_to_do(panel: Any, feed: Feed) -> None:
    panel.shown()
    assert panel.empty.text() == "No bundle. Train, or open the demo." and not panel.sample.isEnabled()
    write_bundle(feed.studio.project.folder("bundles") / "other", robot="six_axis")
    panel.shown()
    assert panel.empty.text() == "Trained for six_axis, this robot is dual_arm_ak60."


def test_a_bundle_of_another_size_is_refused_in_numbers(panel: Any, feed: Feed) -> None:
    import json

    folder = write_bundle(feed.studio.project.folder("bundles") / "imported")
    data = json.loads((folder / "bundle.json").read_text())
    data["task"]["state"] = [{"name": "state", "stream": "control", "field": "state", "size": 26, "kind": "vector"}]
    (folder / "bundle.json").write_text(json.dumps(data))
    panel.shown()
    assert panel.empty.text() == f"Trained for 26 signals, this robot has {feed.studio.task.state_size}."


# ---- sampling -----------------------------------------------------------------------------------------------------


def test_sampling_loads_the_bundle_without_moving_anything(panel: Any, feed: Feed, wire: Wire) -> None:
    path = sample(panel, feed, wire)
    started = wire.sent_to("planner", "started")[0]
    assert started == {"bundle": path, "hold": True} and not wire.names("control")
    assert wire.sent_to("planner", "sample_skills")[0]["count"] == 8
    panel.model.sample()
    assert len(wire.sent_to("planner", "sample_skills")) == 2  # it is loaded: asked at once, with another seed
    first, second = wire.sent_to("planner", "sample_skills")
    assert first["seed"] != second["seed"]


def test_the_table_and_the_ghosts_show_what_was_answered(panel: Any, feed: Feed, wire: Wire) -> None:
    sample(panel, feed, wire)
    run(feed, panel, 0.3)
    rows = [row for row in panel.table.rows if row.isVisible()]
    assert [row.skill.title for row in rows] == ["Push left", "Push away"]
    assert rows[0].values() == {"Box moves": "70 mm", "Turns": "0°", "± mm": "12"}
    assert "left hand" in rows[0].accessibleName() and panel.caption.label.text().startswith(
        "2 skills from here, 2.0 s"
    )
    badges = [badge for badge in panel.ghosts.badges if badge.isVisible()]
    assert [badge.number for badge in badges] == [1, 2]
    at = panel.view.to_pixel(panel.model.skills[1].position_m[-1])
    assert abs(badges[1].geometry().center().x() - at.x()) < 3
    assert len(panel.view.canvas.fills) > 2 * 36  # two ghost boxes and the arms of the chosen skill
    QTest.mouseClick(rows[1], Qt.MouseButton.LeftButton, pos=QPoint(50, 12))
    assert panel.model.skill.number == 2 and panel.do.text() == "Do skill 2 once"
    band = panel.plots["moved_m"].area.band
    assert band.colour == "cat.2" and band.middle[-1] == pytest.approx(70.0) and band.high[-1] == pytest.approx(80.0)
    feed.pose_record["position_m"] = (0.06, 0.03, 0.05)
    run(feed, panel, 0.3)
    assert panel.caption.label.text() == "The box has moved since. S samples from here."


def test_a_late_answer_of_an_earlier_question_is_dropped(panel: Any, feed: Feed, wire: Wire) -> None:
    sample(panel, feed, wire)
    panel.model.sample()
    old = wire.sent_to("planner", "sample_skills")[0]["request"]
    wire.say("planner", "skills", request=old, skills=SKILLS[:1], problem="")
    assert len(panel.model.skills) == 2 and panel.model.sampling
    wire.say("planner", "ended", returncode=-9)
    assert panel.model.problem == "Planner ended. Sample again to start it."


# ---- doing --------------------------------------------------------------------------------------------------------


def do(panel: Any, feed: Feed, wire: Wire) -> dict[str, Any]:
    path = sample(panel, feed, wire)
    run(feed, panel, 0.2)
    QTest.mouseClick(panel.do, Qt.MouseButton.LeftButton)
    wire.say("policy", "ready", bundle=path)
    return wire.sent_to("policy", "do_skill")[0]


def test_doing_a_skill_goes_through_driver_limits_and_engage(panel: Any, feed: Feed, wire: Wire) -> None:
    asked = do(panel, feed, wire)
    assert asked["controls"] == SKILLS[0]["controls"]
    control = [(message.name, message.values) for to, message in wire.sent if to == "control"]
    assert control == [
        ("policy_limits", {"torque_share": 0.3, "speed_share": 0.3}),
        ("driver", {"driver": int(Driver.SKILL)}),
        ("engage", {}),
    ]
    assert panel.do.text() == "Doing skill 1" and feed.studio.commands.blocked("skills.sample")
    feed.set_state(PairState.ENGAGED, Driver.SKILL)
    begin_ns = time.monotonic_ns()
    for step in range(20):  # the box slides 56 mm where 70 were predicted
        feed.pose_record["position_m"] = (0.02, 0.03 + 0.0028 * (step + 1), 0.05)
        feed.record["follower_torque_nm"] = 0.1 * step
        run(feed, panel, 0.03)
    wire.say("policy", "skill_done", request=asked["request"], outcome="done", start_ns=begin_ns,
             end_ns=time.monotonic_ns())  # fmt: skip
    execution = panel.model.executions[0]
    assert execution.error_m == pytest.approx(0.014, abs=0.002) and execution.peak_nm == pytest.approx(1.9, abs=0.11)
    assert wire.names("control")[-1] == "hold" and panel.model.doing is None
    assert panel.last.value_label.text() == "14 mm, 0°" and panel.executed.text() == "skill 1, done once"
    times, values = panel.plots["moved_m"].area.actual[0]
    assert values.max() == pytest.approx(56.0, abs=3.0) and times[0] < 0.1
    assert feed.studio.limits.has_run(feed.studio.bundles.bundle)


def test_a_real_robot_needs_space(panel: Any, feed: Feed, wire: Wire) -> None:
    import dataclasses

    sample(panel, feed, wire)
    feed.studio.robot = dataclasses.replace(feed.studio.robot, dead_man_latched=False)
    run(feed, panel, 0.4)
    assert feed.studio.commands.blocked("skills.do") == "hold Space: a real robot never moves without it"
    assert not panel.do.isEnabled()
    feed.studio.input.set_dead_man(True)
    assert not feed.studio.commands.blocked("skills.do")


def test_hold_stop_and_a_dead_policy_end_it(panel: Any, feed: Feed, wire: Wire) -> None:
    asked = do(panel, feed, wire)
    panel.model.hold()
    assert wire.names("policy")[-1] == "hold" and wire.names("control")[-1] == "hold"
    wire.say("policy", "skill_done", request=asked["request"], outcome="held", start_ns=0, end_ns=0)
    assert panel.model.doing is None and "Skill 1, Push left: held." in feed.studio.notices.items[0].text
    panel.model.do()
    feed.set_state(PairState.STOPPED)
    run(feed, panel, 0.3)
    assert panel.model.doing is None
    feed.set_state(PairState.DISABLED)
    run(feed, panel, 0.3)
    panel.model.do()
    wire.running.discard("policy")
    wire.say("policy", "ended", returncode=-9)
    assert panel.model.doing is None and panel.model.problem == "Skills ended. Arms hold. Start again."
