"""What the replay's commands do, and why one cannot run now. No Qt."""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING, Any

from plugins.replay.comparison import neighbour
from studio.app.api import StudioApi

if TYPE_CHECKING:
    from plugins.replay.model import ReplayModel


def bind_commands(studio: StudioApi, model: ReplayModel) -> None:
    """Every command of the manifest; those that need a take, a label or a box say so."""

    def need_take() -> str:
        return "" if model.take is not None else "open an episode first"

    def need_label() -> str:
        return need_take() or ("" if model.chosen is not None else "choose a label first")

    def need_box() -> str:
        return need_take() or ("" if model.take is not None and model.take.box is not None else "this take has no box")

    def need_other() -> str:
        if model.comparison.path is not None:
            return ""
        alone = model.path is None or neighbour(model.path) is None
        return need_take() or ("there is no other episode" if alone else "")

    def need_hands() -> str:
        return need_take() or ("" if model.take is not None and model.take.poses is not None else "it has no arms")

    free: dict[str, Callable[[], Any]] = {
        "play": model.toggle_play, "frame_back": lambda: model.step_frame(-1), "frame_on": lambda: model.step_frame(1),
        "second_back": lambda: model.step(-1.0), "second_on": lambda: model.step(1.0), "start": lambda: model.seek(0.0),
        "end": lambda: model.seek(model.duration_s), "slower": lambda: model.change_speed(-1),
        "faster": lambda: model.change_speed(1), "loop": model.toggle_loop, "whole": model.show_whole,
        "split": model.split_label, "remove": model.remove, "mark": model.mark, "leave_out": model.leave_out,
        "success": lambda: model.set_outcome("success"), "failure": lambda: model.set_outcome("failure"),
    }  # fmt: skip
    for what in ("contact", "label", "mark"):
        free[f"next_{what}"] = lambda w=what: model.go_to(w, 1)
        free[f"previous_{what}"] = lambda w=what: model.go_to(w, -1)
    for key in range(1, 9):
        free[f"label_{key}"] = lambda k=key: model.press_label(k)
    for name, run in free.items():
        studio.commands.bind(f"replay.{name}", run, blocked=need_take)
    for edge in ("start", "end"):
        studio.commands.bind(f"replay.edge_{edge}", lambda e=edge: model.set_edge(e), blocked=need_label)
    studio.commands.bind("replay.goal", model.make_goal, blocked=need_box)
    studio.commands.bind("replay.speak", model.speak, blocked=need_take, release=model.dictation.release)
    studio.commands.bind("replay.compare", model.compare, blocked=need_other)
    studio.commands.bind("replay.export", model.export, blocked=need_take)
    studio.commands.bind("replay.feel", model.feel, blocked=need_hands)
