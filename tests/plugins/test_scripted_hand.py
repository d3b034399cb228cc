"""The scripted hand's command: when it may begin, what the status says of it, and what takes it away."""

from __future__ import annotations

from types import SimpleNamespace
from typing import Any

import pytest

from studio.app.shell.scripted import COMMAND, add_scripted_hand
from studio.core.records import Driver, PairState
from tests.plugins.feed import Feed
from tests.plugins.wire import Wire


@pytest.fixture
def feed_with_hand(feed: Feed, wire: Wire, monkeypatch: pytest.MonkeyPatch) -> Feed:
    monkeypatch.setattr(feed.session, "stop_worker", wire.running.discard)
    monkeypatch.setitem(feed.session.places, "operator", None)
    window: Any = SimpleNamespace(studio=feed.studio, session=feed.session)
    add_scripted_hand(window)
    return feed


def engage(feed: Feed) -> None:
    feed.set_state(PairState.ENGAGED, Driver.OPERATOR)
    feed.write()
    feed.session.monitor._control.look_again()
    feed.write()


def test_it_needs_engaged_arms_and_the_status_names_it(feed_with_hand: Feed, wire: Wire) -> None:
    commands, link = feed_with_hand.studio.commands, feed_with_hand.studio.state.link
    assert commands.blocked(COMMAND) == "engage the arms first"
    engage(feed_with_hand)
    commands.run(COMMAND)
    assert wire.names("operator") == ["started"] and link.text == "Engaged · scripted hand"
    commands.run(COMMAND)
    assert not wire.running and link.text == "Engaged · you"


@pytest.mark.parametrize("state", [PairState.STOPPED, PairState.FAULT])
def test_stop_and_fault_take_it_away(feed_with_hand: Feed, wire: Wire, state: PairState) -> None:
    engage(feed_with_hand)
    feed_with_hand.studio.commands.run(COMMAND)
    feed_with_hand.set_state(state)
    feed_with_hand.write()
    assert not wire.running and not feed_with_hand.studio.state.link.scripted_hand


def test_a_gamepad_is_a_person_and_is_left_alone(feed_with_hand: Feed, wire: Wire) -> None:
    engage(feed_with_hand)
    wire.running.add("operator")
    assert feed_with_hand.studio.commands.blocked(COMMAND) == "the gamepad holds the hands"
    feed_with_hand.set_state(PairState.STOPPED)
    feed_with_hand.write()
    assert wire.running == {"operator"}
