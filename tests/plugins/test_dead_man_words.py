"""Every sentence names the dead-man that this session has: Space, or the pedal."""

from __future__ import annotations

import dataclasses
import re
from pathlib import Path

import pytest

from plugins.devices.bench import Bench
from plugins.devices.motors import make_arms, make_motors
from plugins.devices.wizard import Check
from plugins.teleop.gate import make_rows
from plugins.teleop.situation import Hold
from plugins.teleop.words import band_words
from studio.core.records import Driver, PairState
from tests.plugins.feed import Feed

_SAID = re.compile(r"(?i)(hold|held|let go of|without) space\b|space is held")
_MADE_AT = {"studio/app/state.py"}


@pytest.mark.parametrize(("pedal", "name"), [("", "Space"), ("released", "the pedal")])
def test_every_sentence_takes_the_name_of_the_dead_man(feed: Feed, pedal: str, name: str) -> None:
    studio, link = feed.studio, feed.studio.state.link
    studio.robot = dataclasses.replace(feed.robot, dead_man_latched=False)
    link.pedal = pedal
    assert studio.input.dead_man_name == name
    for state in PairState:
        for hold in Hold:
            words = band_words(state, Driver.OPERATOR, [True], False, hold=hold, dead_man=link.dead_man_name)
            assert ("Space" in words[1]) <= (name == "Space") and ("pedal" in words[1]) <= (name != "Space")
    assert band_words(PairState.DISABLED, Driver.NOBODY, [], False, dead_man=name)[1].startswith(f"Hold {name}, then")
    rows = {row.name: row.value for row in make_rows(studio, None, 0.0, 0.02)}
    assert rows["Dead-man"] == f"hold {name}"
    link.worst, link.pedal = PairState.FAULT, pedal and "pressed"
    studio.input.set_dead_man(True)
    assert studio.arms.blocked_clear_fault() == f"let go of {name} first"


def test_a_check_with_torque_asks_for_the_pedal(feed: Feed) -> None:
    bench = Bench(lambda *_, **__: None, lambda *_, **__: None, lambda: False, "the pedal")
    motor = make_motors(feed.robot, make_arms(feed.robot, {}), {}, {}, {}, {})[0]
    asked = {"key": "weight", "text": "", "choices": ["done"]}
    bench.check = Check(motor=motor, kind="all", state={"phase": "asking", "question": asked, "step": "torque"})
    assert bench.blocked_next() == "hold the pedal: torque comes next"


def test_no_sentence_names_space_itself() -> None:
    root = Path(__file__).parents[2]
    sources = [path for folder in ("studio/app", "plugins") for path in (root / folder).rglob("*.py")]
    said = [str(path.relative_to(root)) for path in sources if _SAID.search(path.read_text(encoding="utf-8"))]
    assert len(sources) > 100 and set(said) <= _MADE_AT
