"""Deploy: attempts and outcomes, what is sent to the workers, and the screen on plans written by the test."""

from __future__ import annotations

import dataclasses
import time
from collections.abc import Callable, Iterator
from typing import Any

import numpy as np
import pytest
from PySide6.QtCore import Qt
from PySide6.QtTest import QTest
from PySide6.QtWidgets import QApplication
from pytestqt.qtbot import QtBot

from plugins.deploy.attempt import Attempt, goal_errors, predicted_errors
from studio.app.api import Message
from studio.app.theme import apply_theme
from studio.core.records import Driver, PairState
from studio.core.task import Goal, load_task
from studio.data.goal_file import KeptGoal, load_kept_goal, save_kept_goal
from tests.patience import PATIENCE_S
from tests.plugins.feed import Feed, connect, make_screen, run
from tests.plugins.wire import Wire, write_bundle

TASK = load_task("move_box")
GOAL = Goal(position_m=(0.05, 0.0, 0.05), orientation_xyzw=(0.0, 0.0, 0.0, 1.0))
FLAT = np.array([0.0, 0.0, 0.0, 1.0])


@pytest.fixture
def panel(feed: Feed, wire: Wire, qtbot: QtBot, qapp: QApplication) -> Iterator[Any]:
    apply_theme(qapp, "dark")
    host, _, shown = make_screen(feed, "deploy")
    qtbot.addWidget(shown)
    shown.resize(1364, 824)
    shown.show()
    connect(feed, shown)
    yield shown
    shown.close()
    host.close()


def ready(panel: Any, feed: Feed) -> None:
    write_bundle(feed.studio.project.folder("bundles") / "box-play-3")
    feed.studio.goal.set(GOAL.position_m, GOAL.orientation_xyzw, "centre")
    panel.shown()


def publish_until(feed: Feed, panel: Any, plan: np.ndarray, reached: Callable[[], bool]) -> None:
    """Plans for the goal that is set, until something is so."""
    end_s = time.monotonic() + PATIENCE_S
    while not reached():
        assert time.monotonic() < end_s
        plan["goal_id"], plan["t_ns"] = feed.studio.goal.goal.goal_id, time.monotonic_ns()
        feed.plan.write(plan[0])  # type: ignore[union-attr]
        run(feed, panel, 0.1)


# ---- attempts -----------------------------------------------------------------------------------------------------


def test_errors_are_distance_and_turn() -> None:
    half = np.sin(np.radians(15)), np.cos(np.radians(15))
    distance_m, turn_rad = goal_errors(np.array([0.05, 0.03, 0.09]), np.array([0, 0, half[0], half[1]]), GOAL)
    assert float(distance_m) == pytest.approx(0.05) and float(np.degrees(turn_rad)) == pytest.approx(30.0)


def test_a_goal_counts_as_reached_only_when_the_box_rests_there() -> None:
    attempt = Attempt(GOAL, TASK, 100.0, limit_s=50.0, rest_s=0.5)
    there, away = np.array([0.055, 0.0, 0.05]), np.array([0.09, 0.0, 0.05])
    assert attempt.add(101.0, there, FLAT) is None
    assert attempt.add(101.4, away, FLAT) is None  # only passing through
    assert attempt.add(102.0, there, FLAT) is None
    assert attempt.add(102.4, there, FLAT) is None
    assert attempt.add(102.6, there, FLAT) is True
    assert attempt.times_s == pytest.approx([1.0, 1.4, 2.0, 2.4, 2.6])


def test_a_turned_box_is_not_there_and_time_runs_out() -> None:
    attempt = Attempt(GOAL, TASK, 0.0, limit_s=50.0, rest_s=0.0)
    turned = np.array([0.0, 0.0, np.sin(np.radians(12)), np.cos(np.radians(12))])
    assert attempt.add(1.0, np.array(GOAL.position_m), turned) is None
    assert attempt.add(50.1, np.array(GOAL.position_m), turned) is False


def test_the_clock_runs_from_the_first_plan_on() -> None:
    attempt = Attempt(GOAL, TASK, limit_s=50.0)
    assert attempt.add(60.0, np.array(GOAL.position_m), FLAT) is None and not attempt.times_s
    attempt.start(70.0)
    attempt.start(75.0)
    assert attempt.add(69.9, np.array([0.0, 0.0, 0.05]), FLAT) is None and not attempt.times_s
    attempt.add(80.0, np.array([0.0, 0.0, 0.05]), FLAT)
    assert attempt.times_s == [10.0]


def test_prediction_continues_from_now() -> None:
    path = np.linspace([0.15, 0.0, 0.05], [0.05, 0.0, 0.05], 6)
    times, distances, turns = predicted_errors(GOAL, path, np.tile(FLAT, (6, 1)), 0.2, 18.0)
    assert times == pytest.approx([18.0, 18.2, 18.4, 18.6, 18.8, 19.0])
    assert distances == pytest.approx([100, 80, 60, 40, 20, 0], abs=1e-6) and max(turns) == pytest.approx(0.0)


# ---- deploying ----------------------------------------------------------------------------------------------------


def test_nothing_to_deploy_is_said(panel: Any, feed: Feed) -> None:
    panel.shown()
    run(feed, panel, 0.2)
    assert not panel.side.main.isEnabled()
    assert panel.side.problem.text() == "To deploy: train skills first: there is no bundle."
    write_bundle(feed.studio.project.folder("bundles") / "a")
    panel.shown()
    assert panel.side.problem.text() == "To deploy: set a goal first."


def test_a_bundle_for_another_robot_is_refused_in_words(panel: Any, feed: Feed) -> None:
    write_bundle(feed.studio.project.folder("bundles") / "other", robot="six_axis")
    feed.studio.goal.set(GOAL.position_m, GOAL.orientation_xyzw)
    panel.shown()
    assert feed.studio.commands.blocked("deploy.deploy") == "trained for six_axis, this robot is dual_arm_ak60"


def test_the_actor_of_a_bundle_is_a_planner_where_there_is_one(panel: Any, feed: Feed, wire: Wire) -> None:
    bundles = feed.studio.project.folder("bundles")
    write_bundle(bundles / "plain")
    feed.studio.goal.set(GOAL.position_m, GOAL.orientation_xyzw)
    panel.shown()
    run(feed, panel, 0.2)
    box, index = panel.side.preset_box, panel.model.preset_names().index("rl")
    entry = box.model().item(index)
    assert not entry.isEnabled() and entry.text() == "rl (no actor)"
    assert entry.toolTip() == "plain has no actor. Train one on it with offline_rl, or choose a bundle that has one."
    box.activated.emit(index)  # by keyboard, say
    assert panel.model.preset == "default" and box.currentText() == "default"
    assert panel.side.problem.text() == entry.toolTip()
    write_bundle(bundles / "with-actor", actor=True)
    panel.shown()
    panel.side.bundle_box.setCurrentIndex([b.name for b in panel.model.bundles].index("with-actor"))
    panel.model.choose_bundle(panel.side.bundle_box.currentIndex())
    assert entry.isEnabled() and entry.text() == "rl" and panel.side.fields["samples"].text() != "–"
    box.activated.emit(index)
    assert panel.model.preset == "rl" and not panel.side.fields["samples"].isEnabled()
    assert panel.side.fields["stages"].isEnabled() and panel.side.fields["samples"].text() == "–"
    QTest.mouseClick(panel.side.main, Qt.MouseButton.LeftButton)
    given = next(message.values for name, message in wire.sent if name == "planner")
    assert given["preset"] == "rl" and given["set"] == [] and given["bundle"].endswith("with-actor")
    panel.model.choose_bundle([b.name for b in panel.model.bundles].index("plain"))
    assert panel.model.preset == "default" and panel.side.problem.text().startswith("plain has no actor")


def test_a_damaged_bundle_is_a_notice(panel: Any, feed: Feed) -> None:
    folder = feed.studio.project.folder("bundles") / "cut"
    folder.mkdir()
    (folder / "bundle.json").write_text('{"format_version": 1')
    panel.shown()
    assert not panel.model.bundles and feed.studio.notices.items[0].level == "fault"


def test_where_the_boxs_pose_comes_from_is_switched(panel: Any, feed: Feed, wire: Wire) -> None:
    ready(panel, feed)
    wire.running.add("camera")
    run(feed, panel, 0.2)
    box = panel.side.pose_box
    assert panel.side.pose_row.isVisible() and box.currentText() == "as trained"
    box.activated.emit(box.findText("camera tags, 30 Hz"))
    QTest.mouseClick(panel.side.main, Qt.MouseButton.LeftButton)
    for worker in ("planner", "policy"):
        assert next(message.values for name, message in wire.sent if name == worker)["pose"] == "tags"
    assert wire.sent_to("camera", "tags")[0] == {"on": True}
    assert not box.isEnabled() and box.currentText() == "camera tags, 30 Hz"
    panel.model.hold()
    wire.sent.clear()
    panel.model.choose_pose("")
    QTest.mouseClick(panel.side.main, Qt.MouseButton.LeftButton)
    assert "pose" not in next(message.values for name, message in wire.sent if name == "planner")
    assert not wire.sent_to("camera", "tags")


def test_the_prior_is_chosen_where_a_bundle_has_several(panel: Any, feed: Feed, wire: Wire) -> None:
    ready(panel, feed)
    run(feed, panel, 0.2)
    one = panel.model.bundle.name
    assert not panel.side.prior_row.isVisible()
    write_bundle(
        feed.studio.project.folder("bundles") / "several", priors=("prior", "flow", "flow_2", "flow_1", "reference")
    )
    panel.shown()
    names = [bundle.name for bundle in panel.model.bundles]
    panel.model.choose_bundle(names.index("several"))
    box = panel.side.prior_box
    assert panel.side.prior_row.isVisible() and box.currentText() == "as trained (flow)"
    shown = [box.itemData(index) for index in range(box.count())]
    assert shown == ["", "gaussian", "flow:1", "flow:2", "reference"]
    box.activated.emit(box.findData("gaussian"))
    QTest.mouseClick(panel.side.main, Qt.MouseButton.LeftButton)
    for worker in ("planner", "policy"):
        assert next(message.values for name, message in wire.sent if name == worker)["prior"] == "gaussian"
    assert not box.isEnabled() and box.currentText() == "gaussian"
    panel.model.hold()
    panel.model.choose_bundle(names.index(one))
    assert panel.model.prior == "" and not panel.side.prior_row.isVisible()


def test_deploy_hands_over_bundle_settings_and_driver(panel: Any, feed: Feed, wire: Wire) -> None:
    ready(panel, feed)
    run(feed, panel, 0.2)
    panel.model.choose_preset("paper")
    panel.model.set_setting("samples", 512)
    QTest.mouseClick(panel.side.main, Qt.MouseButton.LeftButton)
    for worker in ("planner", "policy"):
        values = next(message.values for name, message in wire.sent if name == worker)
        assert values["bundle"].endswith("box-play-3") and values["preset"] == "paper"
        assert values["set"] == ["samples=512"]
    control = [(message.name, message.values) for name, message in wire.sent if name == "control"]
    assert control[0] == ("policy_limits", {"torque_share": 0.3, "speed_share": 0.3})
    assert control[1:] == [("driver", {"driver": int(Driver.PLANNER)}), ("engage", {})]
    assert panel.side.main.text() == "Hold" and panel.model.attempt is not None
    wire.sent.clear()
    QTest.mouseClick(panel.side.main, Qt.MouseButton.LeftButton)
    assert wire.names("planner") == ["hold"] and wire.names("policy") == ["hold"] and "hold" in wire.names("control")
    assert panel.side.main.text() == "Deploy" and panel.model.attempt is None
    wire.sent.clear()
    QTest.mouseClick(panel.side.main, Qt.MouseButton.LeftButton)
    assert wire.names("planner") == ["deploy"]  # it runs already


def test_a_planner_that_dies_is_said_and_can_be_started_again(panel: Any, feed: Feed, wire: Wire) -> None:
    ready(panel, feed)
    run(feed, panel, 0.2)
    feed.studio.commands.run("deploy.deploy")
    wire.running.discard("planner")
    feed.session.message.emit("planner", Message(name="ended", values={"returncode": -9}))
    assert panel.side.problem.text() == "Planner ended. Arms hold. Start again."
    assert not panel.model.deployed and panel.side.main.text() == "Deploy"
    run(feed, panel, 0.2)
    assert panel.side.main.isEnabled()
    QTest.mouseClick(panel.side.main, Qt.MouseButton.LeftButton)
    assert wire.names("planner")[-1] == "started" and panel.model.deployed


def test_a_setting_out_of_range_is_refused_in_words(panel: Any) -> None:
    field = panel.side.fields["control_limit"]
    field.setText("7")
    field.editingFinished.emit()
    assert panel.model.settings.control_limit == 0.95
    assert "control_limit is 7; allowed 0.01 to 1" in panel.side.problem.text()
    field.setText("0.9")
    field.editingFinished.emit()
    assert panel.model.settings.control_limit == 0.9 and not panel.model.problem
    panel.model.choose_preset("paper")
    assert panel.side.fields["samples"].text() == "2000" and panel.side.fields["stages"].text() == "40"


def test_goals_run_one_after_the_other_and_keep_their_history(panel: Any, feed: Feed, wire: Wire) -> None:
    ready(panel, feed)
    folder = feed.studio.project.folder("goals")
    for name, x_m in (("first", 0.05), ("second", -0.03)):
        save_kept_goal(folder, KeptGoal(name=name, position_m=(x_m, 0, 0.05), orientation_xyzw=(0, 0, 0, 1)))
    plan = feed.open_plan()
    panel.open(goals=["first", "second"])
    assert panel.model.deployed and feed.studio.goal.goal.name == "first"
    feed.pose_record["position_m"], feed.pose_record["orientation_xyzw"] = (0.05, 0.002, 0.05), FLAT
    publish_until(feed, panel, plan, lambda: len(panel.model.outcomes.reached) == 1)
    assert panel.model.outcomes.reached == [True] and feed.studio.goal.goal.name == "second"
    publish_until(feed, panel, plan, lambda: panel.model.attempt.started_s is not None)
    panel.model.attempt.started_s -= 60.0
    run(feed, panel, 0.6)
    assert panel.model.outcomes.reached == [True, False] and not panel.model.deployed
    assert panel.side.count.text() == "1 of 2" and panel.side.rate.text() == "50 %"
    assert panel.side.likely.text() == "9 to 91 % likely"
    assert load_kept_goal(folder / "first.toml").reached == 1
    second = load_kept_goal(folder / "second.toml")
    assert (second.attempts, second.reached) == (1, 0)
    feed.studio.commands.run("deploy.success")
    assert panel.side.count.text() == "2 of 2"


def keep_goals(feed: Feed, *names: str) -> None:
    for number, name in enumerate(names):
        place = (0.05 - 0.04 * number, 0, 0.05)
        save_kept_goal(
            feed.studio.project.folder("goals"), KeptGoal(name=name, position_m=place, orientation_xyzw=(0, 0, 0, 1))
        )


def test_a_stop_keeps_the_row_of_goals_and_deploy_goes_on_with_it(panel: Any, feed: Feed, wire: Wire) -> None:
    ready(panel, feed)
    keep_goals(feed, "first", "second", "third")
    feed.set_state(PairState.ENGAGED, Driver.PLANNER)
    run(feed, panel, 0.3)
    panel.open(goals=["first", "second", "third"])
    feed.studio.commands.run("deploy.next_goal")
    feed.set_state(PairState.STOPPED)
    run(feed, panel, 0.3)
    assert not panel.model.deployed and panel.side.attempt_note.text() == "goal 2 of 3 · waits for Deploy"
    feed.studio.commands.run("deploy.deploy")
    assert panel.model.attempt.goal.name == "second"
    assert [kept.name for kept in panel.model.row.waiting] == ["third"]
    panel.model.hold()
    wire.sent.clear()
    feed.studio.commands.run("deploy.next_goal")
    run(feed, panel, 0.2)
    assert panel.side.attempt_note.text() == "goal 3 of 3 · waits for Deploy"
    assert not panel.model.deployed and "engage" not in wire.names("control")  # only Deploy moves arms
    third = feed.studio.goal.goal
    feed.studio.goal.set(third.position_m, (0.0, 0.0, 1.0, 0.0), third.name)  # turned by hand: another one instead
    run(feed, panel, 0.2)
    assert not panel.model.row.length and panel.side.attempt_note.text() == ""


def test_a_row_of_goals_on_a_real_robot_waits_for_deploy(
    panel: Any, feed: Feed, wire: Wire, monkeypatch: pytest.MonkeyPatch
) -> None:
    ready(panel, feed)
    keep_goals(feed, "first", "second")
    monkeypatch.setattr(feed.studio, "robot", dataclasses.replace(feed.studio.robot, dead_man_latched=False))
    feed.studio.input.set_dead_man(True)
    panel.open(goals=["first", "second"])
    run(feed, panel, 0.2)
    assert not panel.model.deployed and "engage" not in wire.names("control")
    assert panel.side.attempt_note.text() == "goal 1 of 2 · waits for Deploy"
    feed.studio.commands.run("deploy.deploy")
    assert panel.model.attempt.goal.name == "first"


def test_plans_are_drawn_and_measured(panel: Any, feed: Feed) -> None:
    ready(panel, feed)
    plan = feed.open_plan(stages=10, fan=140)
    feed.set_state(PairState.ENGAGED, Driver.PLANNER)
    run(feed, panel, 0.5)
    feed.studio.commands.run("deploy.deploy")
    feed.session.message.emit("policy", Message(name="state", values={"plan_age_s": 0.12, "reason": "running"}))
    assert panel.side.attempt_note.text() == "" or "waiting for the first plan" in panel.side.attempt_note.text()
    path = np.linspace([0.02, 0.03, 0.05], GOAL.position_m, 11)
    plan["t_ns"] = time.monotonic_ns()
    for latency_s in (0.06, 0.14, 0.08):
        plan["plan_path_m"], plan["plan_orientation_xyzw"] = path, FLAT
        plan["fan_path_m"] = path + np.random.default_rng(0).normal(0, 0.01, (140, 11, 3))
        plan["fan_return"], plan["fan_count"] = np.linspace(-1, 0, 140), 60
        plan["latency_s"], plan["effective_samples"], plan["samples"] = latency_s, 5.0, 256
        plan["predicted_error_m"], plan["goal_id"] = 0.006, feed.studio.goal.goal.goal_id
        feed.plan.write(plan[0])  # type: ignore[union-attr]
    run(feed, panel, 0.6)
    side = panel.side
    assert side.latency.text() == "80" and side.late.text() == "1 late of 3"
    assert side.samples.row.value_label.text() == "5 of 256" and side.samples.meter.colour == "cat.1"
    assert side.samples.note.text() == "about 1 is usual"
    assert side.error.row.value_label.text() == "6 mm" and side.age.row.value_label.text() == "0.12 s"
    assert side.age.note.text() == "holds at 0.60 s"
    fan = panel.view.canvas.still_lines.blocks[0]
    assert len(fan) == 60 * 10 * 4
    times, values = panel.distance.items[1].getData()
    assert len(times) == 11 and values[-1] == pytest.approx(0.0, abs=1e-3)
    assert "mm," in panel.view._labels["goal"][0].text()


def test_take_over_makes_the_person_the_driver(panel: Any, feed: Feed, wire: Wire) -> None:
    opened: list[str] = []
    feed.studio.navigator = lambda screen, **_: opened.append(screen)
    ready(panel, feed)
    feed.set_state(PairState.ENGAGED, Driver.PLANNER)
    run(feed, panel, 0.3)
    QTest.mouseClick(panel.side.take_over, Qt.MouseButton.LeftButton)
    control = [message.values for name, message in wire.sent if name == "control" and message.name == "driver"]
    assert control == [{"driver": int(Driver.OPERATOR)}] and opened == ["teleop"]


def test_what_a_person_does_after_taking_over_is_recorded_and_marked(panel: Any, feed: Feed, wire: Wire) -> None:
    wire.running.add("recorder")
    ready(panel, feed)
    feed.set_state(PairState.ENGAGED, Driver.PLANNER)
    run(feed, panel, 0.3)
    feed.studio.commands.run("deploy.deploy")
    feed.studio.commands.run("deploy.take_over")
    assert wire.names("recorder") == ["start"] and not panel.model.deployed
    wire.say("recorder", "state", recording=True)
    feed.session.take.on_message("recorder", Message(name="state", values={"recording": True}))
    label = wire.sent_to("recorder", "label")[0]
    assert label["text"] == "take over"
    feed.studio.commands.run("deploy.deploy")
    feed.studio.commands.run("deploy.take_over")  # the take goes on; another label says when
    assert wire.names("recorder") == ["start", "label", "label"]


def test_the_first_run_of_a_bundle_is_slow_and_weak_the_next_is_not(panel: Any, feed: Feed, wire: Wire) -> None:
    ready(panel, feed)
    run(feed, panel, 0.2)
    side, robot = panel.side, feed.studio.robot
    assert side.limits_note.text() == "first run of this bundle on this robot"
    assert side.torque.value_label.text() == f"{0.3 * robot.torque_limit_nm:.1f} of {robot.torque_limit_nm:g} N·m"
    assert side.speed.value_label.text() == "4.5 of 15 rad/s" and side.place_x.value_label.text() == "−60 to 100 mm"
    feed.studio.commands.run("deploy.deploy")
    side.share.slider.setValue(side.share.slider.value() + 4)  # 50 %, while it drives
    assert wire.sent_to("control", "policy_limits")[-1] == {"torque_share": 0.5, "speed_share": 0.5}
    feed.studio.limits.note_run(panel.model.bundle)
    assert panel.model.limit_share == 0.5 and not panel.model.first_run()
    again = type(feed.studio.limits)(feed.studio)  # the next session
    assert again.share(panel.model.bundle) == 1.0


def test_stop_ends_the_deployment(panel: Any, feed: Feed, wire: Wire) -> None:
    ready(panel, feed)
    feed.set_state(PairState.ENGAGED, Driver.PLANNER)
    run(feed, panel, 0.3)
    feed.studio.commands.run("deploy.deploy")
    wire.sent.clear()
    feed.set_state(PairState.STOPPED)
    run(feed, panel, 0.3)
    assert not panel.model.deployed and panel.side.main.text() == "Deploy"
    assert wire.names("planner") == ["hold"] and wire.names("policy") == ["hold"]
