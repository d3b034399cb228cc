"""Structure is a feature: sizes of files and functions, names, empty packages, one source of colour."""

from __future__ import annotations

import ast
import re
import statistics
from functools import cache
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[1]
FOLDERS = ("studio", "hw_drivers", "plugins", "benchmarks")
SOURCES = [*sorted(path for folder in FOLDERS for path in (ROOT / folder).rglob("*.py")), ROOT / "main.py"]

FILE_LINES_ALLOWED = 600
FILE_LINES_USUAL = 400
FUNCTION_LINES_ALLOWED = 60
# A function above the limit needs its reason here.
LONG_FUNCTIONS: dict[str, str] = {}
BANNED_NAMES = re.compile(r"(^|_)(manager|helpers?|utils?|misc|base|common)(_|$)")


@cache
def _tree(path: Path) -> ast.Module:
    return ast.parse(path.read_text(encoding="utf-8"))


def _functions(path: Path) -> list[tuple[str, int]]:
    """Name and length of each function, its docstring not counted."""
    found = []
    for node in ast.walk(_tree(path)):
        if isinstance(node, (ast.FunctionDef, ast.AsyncFunctionDef)):
            length = (node.end_lineno or node.lineno) - node.lineno + 1
            documentation = ast.get_docstring(node)
            length -= documentation.count("\n") + 1 if documentation else 0
            found.append((f"{path.relative_to(ROOT)}:{node.name}", length))
    return found


@pytest.mark.parametrize("path", SOURCES, ids=lambda path: str(path.relative_to(ROOT)))
def test_no_file_is_a_giant(path: Path) -> None:
    assert path.read_text(encoding="utf-8").count("\n") <= FILE_LINES_ALLOWED


def test_most_files_are_short() -> None:
    long = [str(p.relative_to(ROOT)) for p in SOURCES if p.read_text(encoding="utf-8").count("\n") > FILE_LINES_USUAL]
    assert len(long) <= 0.05 * len(SOURCES), f"over {FILE_LINES_USUAL} lines: {long}"


def test_functions_are_short() -> None:
    functions = [entry for path in SOURCES for entry in _functions(path)]
    lengths = sorted(length for _, length in functions)
    too_long = [f"{name} {length}" for name, length in functions if length > FUNCTION_LINES_ALLOWED]
    unexplained = [text for text in too_long if text.rsplit(" ", 1)[0] not in LONG_FUNCTIONS]
    assert not unexplained
    assert statistics.median(lengths) <= 9
    assert lengths[int(0.9 * len(lengths))] <= 25


def test_packages_are_empty() -> None:
    assert not [str(p.relative_to(ROOT)) for p in SOURCES if p.name == "__init__.py" and p.read_text().strip()]


def test_names_say_what_a_thing_is() -> None:
    names = [p.stem for p in SOURCES] + [
        node.name for p in SOURCES for node in ast.walk(_tree(p)) if isinstance(node, ast.ClassDef)
    ]
    snake = [re.sub(r"(?<=[a-z])(?=[A-Z])", "_", name).lower() for name in names]
    assert not [name for name in snake if BANNED_NAMES.search(name)]


def test_colour_has_one_source() -> None:
    """No colour literal outside the tokens: `#RRGGBB` appears in no Python file of window or plugins."""
    pattern = re.compile(r"[\"']#[0-9A-Fa-f]{6}([0-9A-Fa-f]{2})?[\"']")
    paths = [p for p in SOURCES if "app" in p.parts or "plugins" in p.parts]
    assert not [str(p.relative_to(ROOT)) for p in paths if pattern.search(p.read_text(encoding="utf-8"))]


def test_nothing_is_unpickled() -> None:
    """Foreign files are data: no pickle, no unrestricted torch.load, no eval of text."""
    pattern = re.compile(
        r"\bimport pickle\b|\bpickle\.|allow_pickle=True|weights_only=False|\btorch\.load\(|(?<![\w.])eval\("
    )
    assert not [str(p.relative_to(ROOT)) for p in SOURCES if pattern.search(p.read_text(encoding="utf-8"))]


def test_no_simulation_flags() -> None:
    """The same code drives motors and twins: nothing asks whether it is simulated."""
    pattern = re.compile(r"\bif\s+(not\s+)?(\w+\.)*(is_)?simulat(ed|ion|or)\b")
    assert not [str(p.relative_to(ROOT)) for p in SOURCES if pattern.search(p.read_text(encoding="utf-8"))]


def test_broad_except_only_at_the_edges() -> None:
    """`except Exception` belongs to worker mains, the plugin host, the Qt hook and the supervisor."""
    allowed = ("studio/workers/", "studio/app/", "studio/ipc/supervisor", "studio/ipc/worker_link")
    pattern = re.compile(r"except (Base)?Exception\b|except\s*:")
    found = [str(p.relative_to(ROOT)) for p in SOURCES if pattern.search(p.read_text(encoding="utf-8"))]
    assert not [name for name in found if not name.startswith(allowed)]
