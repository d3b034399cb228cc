"""Every method in one table, without importing any of them: name -> module, settings, source, presets."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from importlib import import_module
from typing import Any

from studio.core.errors import ConfigError


@dataclass(frozen=True, kw_only=True)
class MethodEntry:
    """One line of the table.

    Args:
        target: `module:Class`, imported only in a worker.
        settings: `module` that has PRESETS {name: () -> frozen dataclass}; torch-free.
        kind: what it produces; `skills` for a skill model.
    """

    name: str
    title: str
    source: str
    kind: str
    status: str
    target: str
    settings: str

    def presets(self) -> dict[str, Callable[[], Any]]:
        return import_module(self.settings).PRESETS

    def make_config(self, preset: str) -> Any:
        """The settings of a preset, of the first for an empty name; ConfigError for an unknown one."""
        presets = self.presets()
        preset = preset or next(iter(presets))
        if preset not in presets:
            raise ConfigError(f"Method {self.name} has no preset {preset!r}. It has {', '.join(presets)}.")
        return presets[preset]()

    def load(self) -> type:
        """The method's class; imports torch."""
        module, _, name = self.target.partition(":")
        return getattr(import_module(module), name)


METHODS: dict[str, MethodEntry] = {
    entry.name: entry
    for entry in (
        MethodEntry(
            name="haptic_play",
            title="Skills from haptic play",
            source="Offline skill learning from haptic play of two arms, planned over with MPPI: "
            "conditional autoencoder, then conditional flow",
            kind="skills",
            status="ready",
            target="studio.methods.haptic_play.method:HapticPlay",
            settings="studio.methods.haptic_play.config",
        ),
        MethodEntry(
            name="offline_rl",
            title="Offline RL on skills",
            source="Offline skill learning from haptic play of two arms: soft actor-critic with hindsight in the base "
            "space of the skills, model-free, model-based or conservative",
            kind="planner",
            status="ready",
            target="studio.methods.offline_rl.method:OfflineRl",
            settings="studio.methods.offline_rl.config",
        ),
    )
}


def find_method(name: str) -> MethodEntry:
    """An entry by name; ConfigError lists the known ones."""
    if name not in METHODS:
        raise ConfigError(f"Method {name!r} is unknown. Known methods: {', '.join(METHODS)}.")
    return METHODS[name]
