from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import pytest

from studio.core import native
from studio.core.native import NativeSource

needs_compiler = pytest.mark.skipif(native.find_compiler() is None, reason="no C compiler on this machine")


@pytest.fixture
def source(tmp_path: Path) -> NativeSource:
    folder = tmp_path / "sources"
    folder.mkdir()
    (folder / "answer.c").write_text('#include "answer.h"\nint answer(void) { return ANSWER; }\n')
    (folder / "answer.h").write_text("#define ANSWER 42\n")
    return NativeSource(name="answer", folder=folder, flags=("-O1", "-shared", "-fPIC"))


@needs_compiler
def test_built_once_then_taken_from_the_cache(source: NativeSource, tmp_path: Path) -> None:
    cache = tmp_path / "cache"
    first = native.build(source, cache)
    assert first.library is not None, first.reason
    assert first.library.answer() == 42
    (made,) = cache.iterdir()
    written_ns = made.stat().st_mtime_ns
    assert native.build(source, cache).library is not None
    assert [path.stat().st_mtime_ns for path in cache.iterdir()] == [written_ns]


@needs_compiler
def test_a_changed_header_is_built_again(source: NativeSource, tmp_path: Path) -> None:
    assert native.build(source, tmp_path / "cache").library is not None
    (source.folder / "answer.h").write_text("#define ANSWER 43\n")
    library = native.build(source, tmp_path / "cache").library
    assert library is not None
    assert library.answer() == 43


def test_other_flags_are_another_library(source: NativeSource) -> None:
    assert native.fingerprint(source) != native.fingerprint(replace(source, flags=("-O2", "-shared", "-fPIC")))


def test_without_a_compiler_there_is_a_reason(
    source: NativeSource, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("PATH", str(tmp_path))
    monkeypatch.delenv(native.COMPILER_VARIABLE, raising=False)
    found = native.build(source, tmp_path / "cache")
    assert found.library is None
    assert "no C compiler" in found.reason


@needs_compiler
def test_sources_that_do_not_compile_give_a_reason_and_leave_nothing(source: NativeSource, tmp_path: Path) -> None:
    (source.folder / "answer.c").write_text("int broken(")
    found = native.build(source, tmp_path / "cache")
    assert found.library is None
    assert "failed" in found.reason
    assert list((tmp_path / "cache").iterdir()) == []


def test_a_damaged_library_in_the_cache_gives_a_reason(source: NativeSource, tmp_path: Path) -> None:
    (tmp_path / f"answer-{native.fingerprint(source)}.so").write_bytes(b"no library")
    found = native.build(source, tmp_path)
    assert found.library is None
    assert "could not be made or loaded" in found.reason


def test_it_can_be_switched_off(source: NativeSource, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv(native.SWITCH_VARIABLE, "0")
    found = native.build_unless_off(source)
    assert found.library is None
    assert native.SWITCH_VARIABLE in found.reason
