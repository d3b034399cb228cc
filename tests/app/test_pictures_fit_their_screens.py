"""What the makers of pictures ask of panels and models by name is there: a picture run takes minutes, this does not.

The picture makers lie in `studio.app`, which knows no plugin, so nothing but a run would notice a name that has gone.
"""

from __future__ import annotations

import ast
import inspect
from types import ModuleType
from typing import Any

import pytest

from studio.app import screenshot_devices, screenshot_teleop
from studio.app.window import StudioWindow

ROOTS = ("_panel", "_model")


def names_asked(module: ModuleType) -> set[tuple[str, ...]]:
    """Chains such as (_model, coupling, set) read from `self._panel` and `self._model`, also by a local name."""
    tree = ast.parse(inspect.getsource(module))
    found: set[tuple[str, ...]] = set()
    for function in (node for node in ast.walk(tree) if isinstance(node, ast.FunctionDef)):
        local = {name: chain for name, value in assigned(function) if (chain := chain_of(value, {}))}
        chains = (chain_of(node, local) for node in ast.walk(function) if isinstance(node, ast.Attribute))
        found |= {chain for chain in chains if len(chain) > 1}
    return found


def assigned(function: ast.FunctionDef) -> list[tuple[str, ast.expr]]:
    pairs: list[tuple[str, ast.expr]] = []
    for node in ast.walk(function):
        if isinstance(node, ast.Assign):
            for target in node.targets:
                if isinstance(target, ast.Tuple) and isinstance(node.value, ast.Tuple):
                    both = zip(target.elts, node.value.elts, strict=True)
                    pairs += [(name.id, value) for name, value in both if isinstance(name, ast.Name)]
                elif isinstance(target, ast.Name):
                    pairs.append((target.id, node.value))
    return pairs


def chain_of(node: ast.expr, local: dict[str, tuple[str, ...]]) -> tuple[str, ...]:
    """Empty when the expression does not begin at one of `ROOTS`, or goes through a call or an index."""
    if isinstance(node, ast.Name):
        return local.get(node.id, ())
    if not isinstance(node, ast.Attribute):
        return ()
    if isinstance(node.value, ast.Name) and node.value.id == "self":
        return (node.attr,) if node.attr in ROOTS else ()
    head = chain_of(node.value, local)
    return (*head, node.attr) if head else ()


def missing(chains: set[tuple[str, ...]], screen: str, window: StudioWindow) -> list[str]:
    roots: dict[str, Any] = {"_panel": window.panel(screen), "_model": window.host.load(screen)}
    lost: list[str] = []
    for chain in sorted(chains):
        thing = roots[chain[0]]
        for name in chain[1:]:
            if thing is None:
                break  # it comes to life later, with a record or a take
            if not hasattr(thing, name):
                lost.append(".".join((screen, *chain)))
                break
            thing = getattr(thing, name)
    return lost


@pytest.mark.parametrize(("module", "screen"), [(screenshot_teleop, "teleop"), (screenshot_devices, "devices")])
def test_every_name_is_there(module: ModuleType, screen: str, quiet_window: StudioWindow) -> None:
    chains = names_asked(module)
    assert len(chains) > (10 if screen == "teleop" else 3)
    assert missing(chains, screen, quiet_window) == []
    gone = {("_model", "coupling", "is_ramping")}
    assert missing(gone, "teleop", quiet_window) == ["teleop._model.coupling.is_ramping"]
