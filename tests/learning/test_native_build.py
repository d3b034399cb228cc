from __future__ import annotations

import shutil
from pathlib import Path

import pytest

from studio.core.paths import resources_dir
from studio.learning import native_build

SOURCES = resources_dir() / "native"
needs_compiler = pytest.mark.skipif(native_build._find_compiler() is None, reason="no C compiler on this machine")


@needs_compiler
def test_built_once_then_taken_from_the_cache(tmp_path: Path) -> None:
    first = native_build.build(SOURCES, tmp_path)
    assert first.library is not None, first.reason
    assert first.library.panel_width() in (8, 16, 32)
    (made,) = tmp_path.iterdir()
    written_ns = made.stat().st_mtime_ns
    assert native_build.build(SOURCES, tmp_path).library is not None
    assert [path.stat().st_mtime_ns for path in tmp_path.iterdir()] == [written_ns]


def test_without_a_compiler_there_is_a_reason(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PATH", str(tmp_path))
    monkeypatch.delenv(native_build.COMPILER_VARIABLE, raising=False)
    found = native_build.build(SOURCES, tmp_path)
    assert found.library is None
    assert "no C compiler" in found.reason


@needs_compiler
def test_sources_that_do_not_compile_give_a_reason_and_leave_nothing(tmp_path: Path) -> None:
    sources, cache = tmp_path / "sources", tmp_path / "cache"
    shutil.copytree(SOURCES, sources)
    (sources / "skill_rollout.c").write_text("int broken(")
    found = native_build.build(sources, cache)
    assert found.library is None
    assert "failed" in found.reason
    assert list(cache.iterdir()) == []


def test_a_damaged_library_in_the_cache_gives_a_reason(tmp_path: Path) -> None:
    name = f"skill_rollout-{native_build._fingerprint(SOURCES, None)}.so"
    (tmp_path / name).write_bytes(b"no library")
    found = native_build.build(SOURCES, tmp_path)
    assert found.library is None
    assert "could not be made or loaded" in found.reason


def test_it_can_be_switched_off(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv(native_build.SWITCH_VARIABLE, "0")
    found = native_build.native_build.__wrapped__()
    assert found.library is None
    assert native_build.SWITCH_VARIABLE in found.reason
