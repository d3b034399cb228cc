"""Design tokens without Qt: colours, sizes, type and icons of `resources/themes/tokens.toml`."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Any

from studio.core.config import load_toml
from studio.core.errors import ConfigError
from studio.core.paths import resources_dir


@dataclass(frozen=True)
class Tokens:
    """The parsed file. Keys are dotted: `bg.1`, `state.fault`, `space.row`."""

    data: dict[str, Any]

    @property
    def themes(self) -> tuple[str, ...]:
        return tuple(self.data["meta"]["themes"])

    @property
    def default_theme(self) -> str:
        return str(self.data["meta"]["default"])

    def hex(self, theme: str, key: str) -> str:
        """The colour `#RRGGBB` of a key in one theme.

        Raises:
            ConfigError: the theme or the key is unknown.
        """
        return str(self._find(f"{theme}.{key}"))

    def colours(self, theme: str) -> dict[str, str]:
        """Every colour of a theme by its dotted key."""
        return {f"{g}.{n}": str(c) for g, names in self.data[theme].items() for n, c in names.items()}

    def number(self, key: str) -> float:
        """A size, width, opacity, rate or time, such as `space.row` or `fill.view_card`."""
        return float(self._find(key))

    def value(self, key: str) -> Any:
        """Any entry, such as the list `plot.dash_leader`."""
        return self._find(key)

    def type(self, role: str) -> tuple[int, int]:
        """Pixel size and weight of a text role, such as `value`."""
        size_px, weight = self._find(f"type.{role}")
        return int(size_px), int(weight)

    def icon(self, name: str) -> str:
        """The qtawesome name of an icon; states and verdicts as `state.engaged`."""
        return str(self._find(f"icon.{name}"))

    def _find(self, key: str) -> Any:
        node: Any = self.data
        for part in key.split("."):
            if not isinstance(node, dict) or part not in node:
                known = ", ".join(sorted(node)) if isinstance(node, dict) else "nothing below"
                raise ConfigError(f"Design token {key!r} does not exist at {part!r}. Known there: {known}.")
            node = node[part]
        return node


@cache
def load_tokens(path: Path | None = None) -> Tokens:
    """Tokens of the installation, or of a file with the same layout."""
    return Tokens(load_toml(path or resources_dir() / "themes" / "tokens.toml"))


def luminance(colour: str) -> float:
    """Relative luminance of `#RRGGBB`, 0 to 1 (WCAG 2.1)."""
    channels = [int(colour[i : i + 2], 16) / 255 for i in (1, 3, 5)]
    linear = [c / 12.92 if c <= 0.04045 else ((c + 0.055) / 1.055) ** 2.4 for c in channels]
    return 0.2126 * linear[0] + 0.7152 * linear[1] + 0.0722 * linear[2]


def contrast(first: str, second: str) -> float:
    """Contrast ratio of two colours, 1 to 21 (WCAG 2.1)."""
    low, high = sorted((luminance(first), luminance(second)))
    return (high + 0.05) / (low + 0.05)


def mix(first: str, second: str, share: float) -> str:
    """`second` laid over `first` with an opacity `share`, in sRGB."""
    pairs = [(int(first[i : i + 2], 16), int(second[i : i + 2], 16)) for i in (1, 3, 5)]
    return "#" + "".join(f"{round(a + (b - a) * share):02X}" for a, b in pairs)


def ramp(tokens: Tokens, theme: str, share: float) -> str:
    """The colour of a rollout: 0 far from the goal, 1 near; far, mid, near mixed in sRGB."""
    far, mid, near = (tokens.hex(theme, f"ramp.{name}") for name in ("far", "mid", "near"))
    share = min(max(share, 0.0), 1.0)
    return mix(far, mid, share * 2) if share < 0.5 else mix(mid, near, share * 2 - 1)
