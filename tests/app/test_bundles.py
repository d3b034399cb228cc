"""Bundle, workers and limits that the planning screens share."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from studio.app.bundles import RunLimits
from studio.ipc.messages import Message
from studio.robot.description import load_robot
from tests.plugins.feed import Feed
from tests.plugins.wire import Wire, write_bundle


@pytest.fixture
def feed(tmp_path: Path) -> Iterator[Feed]:
    made = Feed(tmp_path)
    yield made
    made.close()


@pytest.fixture
def wire(feed: Feed) -> Iterator[Wire]:
    made = Wire(feed)
    yield made
    made.close()


def test_the_newest_bundle_is_chosen_and_the_choice_stays(feed: Feed) -> None:
    choice, folder = feed.studio.bundles, feed.studio.project.folder("bundles")
    assert choice.problem() == "train skills first: there is no bundle"
    for name in ("a", "b"):
        write_bundle(folder / name)
    choice.read()
    assert len(choice.bundles) == 2 and choice.bundle is choice.bundles[0] and not choice.problem()
    assert choice.choose(1) and not choice.choose(1) and not choice.choose(7)
    chosen = choice.bundles[1].path
    write_bundle(folder / "c")
    choice.read()
    assert choice.bundle is not None and choice.bundle.path == chosen
    assert choice.choose_path(str(folder / "c")) and not choice.choose_path("/nowhere")


def test_a_question_waits_until_the_worker_has_the_bundle(feed: Feed, wire: Wire) -> None:
    planning, first, second = feed.studio.planning, Path("/bundles/first"), Path("/bundles/second")
    ask = Message(name="sample_skills", values={"count": 1})
    planning.ask("planner", first, ask)
    assert wire.names("planner") == ["started"] and wire.sent[0][1].values["hold"] is True
    wire.say("planner", "ready", bundle=str(first))
    assert wire.names("planner") == ["started", "sample_skills"]
    planning.ask("planner", first, ask)
    assert wire.names("planner")[-1] == "sample_skills"  # at once
    planning.ask("planner", second, ask)
    assert wire.names("planner")[-1] == "deploy" and wire.sent[-1][1].values == {"bundle": str(second), "hold": True}
    wire.say("planner", "ended", returncode=-9)
    wire.running.clear()
    planning.ask("planner", second, ask)
    assert wire.names("planner")[-1] == "started"  # what waited for the dead one is forgotten, this is asked anew
    wire.say("planner", "ready", bundle=str(second))
    assert wire.names("planner").count("sample_skills") == 3


def test_deploying_after_sampling_does_not_stay_on_hold(feed: Feed, wire: Wire) -> None:
    planning = feed.studio.planning
    planning.ask("planner", Path("/b"), Message(name="sample_skills"))
    planning.deploy({"bundle": "/b", "preset": "default"})
    assert [m.values["hold"] for to, m in wire.sent if to == "planner"] == [True, False]
    planning.rest()
    assert wire.names("planner")[-1] == "hold" and wire.names("policy")[-1] == "hold"


def test_the_first_run_is_limited_and_remembered_for_each_robot(feed: Feed, wire: Wire) -> None:
    write_bundle(feed.studio.project.folder("bundles") / "a")
    feed.studio.bundles.read()
    bundle, limits = feed.studio.bundles.bundle, feed.studio.limits
    assert bundle is not None and limits.share(bundle) == 0.3 == limits.share(None)
    assert load_robot().first_run_share == 1.0  # the simulated arms have nothing to break
    assert limits.apply(bundle) == 0.3
    assert wire.sent_to("control", "policy_limits") == [{"torque_share": 0.3, "speed_share": 0.3}]
    limits.note_run(bundle)
    assert limits.share(bundle) == 0.3  # nothing changes under the person's hands
    assert RunLimits(feed.studio).share(bundle) == 1.0
    limits.choose(bundle, 7.0)
    assert limits.share(bundle) == 1.0
