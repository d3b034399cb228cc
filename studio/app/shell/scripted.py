"""The scripted hand in the window: a command that lets it play with the simulated box, and takes it away again."""

from __future__ import annotations

import time
from typing import TYPE_CHECKING

from studio.app.commands import Command
from studio.core.records import PairState
from studio.ipc.messages import Message

if TYPE_CHECKING:
    from studio.app.window import StudioWindow

COMMAND = "hand.scripted"
_WORKER = "operator"


def add_scripted_hand(window: StudioWindow) -> None:
    """The command, what it does, and what ends it: Stop, a fault, and the hand's own end."""
    studio, session = window.studio, window.session
    if _WORKER not in session.places:
        return
    studio.commands.add(
        Command(id=COMMAND, title="Let a scripted hand play, or take it away", place="Teleoperate", icon="play")
    )

    link = studio.state.link  # `scripted_hand` tells it from a person's gamepad, which is the same worker

    def toggle() -> None:
        if session.alive(_WORKER):
            session.stop_worker(_WORKER)
            link.scripted_hand = False
            studio.notices.info("The mouse holds the hands again.")
            return
        session.start_worker(_WORKER, pad="", seed=time.time_ns() % 2**31)
        link.scripted_hand = True
        studio.notices.info("A scripted hand plays with the box. Press R to record it.")

    def on_message(name: str, message: Message) -> None:
        if name == _WORKER and message.name == "put_box_back":
            session.request("put_box_back")
        elif name == _WORKER and message.name == "ended":
            link.scripted_hand = False

    def on_state(state: PairState) -> None:
        if link.scripted_hand and state in (PairState.STOPPED, PairState.FAULT) and session.alive(_WORKER):
            session.stop_worker(_WORKER)
            link.scripted_hand = False

    studio.commands.bind(COMMAND, toggle, blocked=lambda: _blocked(window))
    session.message.connect(on_message)
    link.events.worst.connect(on_state)


def _blocked(window: StudioWindow) -> str:
    if window.session.alive(_WORKER):
        return "" if window.studio.state.link.scripted_hand else "the gamepad holds the hands"
    if window.studio.robot.buses:
        return "it plays in simulation only"
    return "" if window.studio.state.link.worst is PairState.ENGAGED else "engage the arms first"
