"""The model card of a bundle with its lineage, as text for the window. No Qt."""

from __future__ import annotations

import time
from pathlib import Path
from typing import Any

from studio.core.errors import StudioError
from studio.data.bundle_info import BundleInfo, load_bundle_info


def card_text(path: Path | None) -> str:
    """Markdown: what the training wrote, and where everything in it comes from."""
    if path is None:
        return "This run has made no bundle yet. The card is written with the bundle."
    try:
        info = load_bundle_info(path)
    except StudioError as error:
        return f"The bundle cannot be read. {error}"
    return "\n\n".join(part for part in (_own_card(path), lineage_text(info)) if part)


def lineage_text(info: BundleInfo) -> str:
    """Data, label versions, split, settings and hashes."""
    lineage, data = info.lineage, info.data
    episodes: dict[str, Any] = dict(lineage.get("episodes") or {})
    held_out = [str(name) for name in lineage.get("held_out_episodes") or []]
    lines = [
        "## Comes from",
        f"- Trained {_when(data.get('created_s'))}, bundle `{info.path.name}`, method {info.method}, "
        f"seed {data.get('seed', '–')}.",
        f"- Dataset `{lineage.get('dataset', '–')}`: {len(episodes)} episodes, "
        f"{float(lineage.get('recorded_s', 0.0)) / 60:.1f} min, drivers {_drivers(lineage)}.",
        f"- Windows: {lineage.get('train_windows', '–')} for training, {lineage.get('held_out_windows', '–')} held out "
        f"({len(held_out)} episodes: {', '.join(held_out[:3])}{' …' if len(held_out) > 3 else ''}).",
        f"- Box pose from `{lineage.get('pose_stream') or '–'}`, policy rate {info.rate_hz:g} Hz, "
        f"{info.window} ticks a skill.",
        f"- Data and labels as of key `{str(lineage.get('cache_key', ''))[:12]}`; each episode with its own version:",
        "",
        *(f"  - {name}: `{version}`" for name, version in sorted(episodes.items())),
    ]
    parts = dict(data.get("parts") or {})
    lines += [
        "",
        "## Files",
        *(f"- {name}: sha256 `{str(entry.get('sha256', ''))[:16]}`" for name, entry in parts.items()),
    ]
    return "\n".join(lines)


def _own_card(path: Path) -> str:
    try:
        return (path / "card.md").read_text(encoding="utf-8")
    except OSError:
        return ""


def _when(unix_s: Any) -> str:
    return time.strftime("%-d %b %Y, %H:%M", time.localtime(float(unix_s))) if unix_s else "at an unknown time"


def _drivers(lineage: dict[str, Any]) -> str:
    names = {1: "you", 2: "planner", 3: "skill"}
    return ", ".join(names.get(int(driver), str(driver)) for driver in lineage.get("drivers") or []) or "–"
