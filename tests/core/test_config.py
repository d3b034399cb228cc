from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

import pytest

from studio.core.config import apply_settings, load_toml, make_config
from studio.core.errors import ConfigError


@dataclass(frozen=True, kw_only=True)
class Inner:
    beta: float = 0.001


@dataclass(frozen=True, kw_only=True)
class Outer:
    window: int = 20
    name: str = "a"
    sizes: tuple[int, ...] = (1, 2)
    inner: Inner = Inner()


def test_settings_reach_nested_fields_with_their_types() -> None:
    config = apply_settings(Outer(), ["window=40", "inner.beta=1", "sizes=[3,4,5]", "name=1"])
    assert config == Outer(window=40, inner=Inner(beta=1.0), sizes=(3, 4, 5), name="1")


@pytest.mark.parametrize(
    ("assignment", "said"),
    [
        ("windo=3", "unknown key 'windo'"),
        ("window", "key=value"),
        ("window=1.5", "int"),
        ("inner.x=1", "unknown key 'x'"),
    ],
)
def test_wrong_settings_are_named(assignment: str, said: str) -> None:
    with pytest.raises(ConfigError, match=said):
        apply_settings(Outer(), [assignment])


def test_unknown_keys_in_files_are_errors() -> None:
    with pytest.raises(ConfigError, match="unknown key 'gamma'"):
        make_config(Outer, {"inner": {"gamma": 1}})


def test_missing_and_broken_files_are_told_apart(tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match="does not exist"):
        load_toml(tmp_path / "none.toml")
    broken = tmp_path / "broken.toml"
    broken.write_text("a = [1,")
    with pytest.raises(ConfigError, match="not valid TOML"):
        load_toml(broken)
