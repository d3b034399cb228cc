from __future__ import annotations

import pytest

from studio.app.commands import GLOBAL, Command, Commands, normal_key
from studio.core.errors import PluginError


@pytest.fixture
def commands() -> Commands:
    registry = Commands()
    registry.add(Command(id="studio.find", title="Find", key="Ctrl+K"))
    registry.add(Command(id="teleop.engage", title="Engage", key="e", scope="teleop"))
    registry.add(Command(id="replay.edge", title="Edge", key="E", scope="replay"))
    return registry


@pytest.mark.parametrize(
    ("text", "normal"),
    [("shift+ctrl+z", "Ctrl+Shift+Z"), ("e", "E"), ("Return", "Enter"), ("ctrl+→", "Ctrl+Right"), ("[", "["), ("", ""),
     ("delete", "Del"), ("Alt+1", "Alt+1"), ("?", "?")],
)  # fmt: skip
def test_keys_have_one_spelling(text: str, normal: str) -> None:
    assert normal_key(text) == normal
    assert normal_key(normal_key(text)) == normal


def test_a_key_belongs_to_the_screen_on_top(commands: Commands) -> None:
    for screen, identity in (("teleop", "teleop.engage"), ("replay", "replay.edge")):
        found = commands.at_key(screen, "E")
        assert found is not None and found.id == identity
    assert commands.at_key("library", "E") is None


def test_a_clash_is_refused_and_named(commands: Commands) -> None:
    reason = commands.add(Command(id="map.find", title="Map goals", key="Ctrl+K", scope="map"))
    assert reason == "Map goals cannot have the key Ctrl+K: Find has it."
    assert commands.get("map.find").key == ""
    assert commands.at_key("map", "Ctrl+K").id == "studio.find"  # type: ignore[union-attr]
    assert "Engage" in commands.add(Command(id="teleop.other", title="Other", key="E", scope="teleop"))


def test_a_global_key_cannot_be_taken_from_a_screen_either(commands: Commands) -> None:
    assert commands.add(Command(id="studio.late", title="Late", key="E", scope=GLOBAL))


def test_rebinding_moves_the_key_or_changes_nothing(commands: Commands) -> None:
    assert commands.rebind("teleop.engage", "G") == ""
    assert commands.at_key("teleop", "E") is None
    assert commands.at_key("teleop", "G").id == "teleop.engage"  # type: ignore[union-attr]
    assert commands.rebind("teleop.engage", "Ctrl+K") == "Ctrl+K is fixed."
    assert commands.rebind("studio.find", "F") == "Ctrl+K is fixed."
    assert commands.at_key("teleop", "G") is not None


def test_a_blocked_command_does_nothing_and_says_why(commands: Commands) -> None:
    calls: list[int] = []
    reasons = ["clear the fault first"]
    commands.bind("teleop.engage", lambda: calls.append(1), blocked=lambda: reasons[0])
    commands.run("teleop.engage")
    assert not calls and commands.blocked("teleop.engage") == "clear the fault first"
    reasons[0] = ""
    commands.run("teleop.engage")
    assert calls == [1]


def test_the_plugin_is_loaded_when_its_command_is_first_run(commands: Commands) -> None:
    calls: list[str] = []

    def load(scope: str) -> None:
        calls.append(scope)
        commands.bind("replay.edge", lambda side: calls.append(side))

    commands.load = load
    commands.run("replay.edge", side="left")
    commands.run("replay.edge", side="right")
    assert calls == ["replay", "left", "right"]


def test_what_a_command_raises_is_handed_over(commands: Commands) -> None:
    failures: list[tuple[str, str]] = []
    commands.failed = lambda title, error: failures.append((title, str(error)))

    def run() -> None:
        raise ValueError("no bundle")

    commands.bind("teleop.engage", run)
    commands.run("teleop.engage")
    assert failures == [("Engage", "no bundle")]


def test_unknown_and_double_commands_are_errors(commands: Commands) -> None:
    with pytest.raises(PluginError, match=r"no command 'teleop\.fly'"):
        commands.bind("teleop.fly", lambda: None)
    with pytest.raises(PluginError, match="exists twice"):
        commands.add(Command(id="teleop.engage", title="Again"))
