"""Facts of a bundle without torch."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from studio.core.errors import DataError
from studio.core.task import load_task
from studio.data.bundle_info import list_bundles, load_bundle_info


def _make_bundle(folder: Path, **changes: Any) -> Path:
    folder.mkdir(parents=True)
    data = {
        "format_version": 1, "method": "haptic_play", "rate_hz": 100.0, "window": 20,
        "task": load_task("move_box").to_json(),
        "parts": {"flow": {"file": "flow.safetensors", "sha256": "0"}}, "lineage": {"pose_stream": "object_pose.world"},
        **changes,
    }  # fmt: skip
    (folder / "bundle.json").write_text(json.dumps({k: v for k, v in data.items() if v is not None}))
    (folder / "flow.safetensors").write_bytes(b"x")
    return folder


def test_facts(tmp_path: Path) -> None:
    info = load_bundle_info(_make_bundle(tmp_path / "first", metrics={"held_out/loss": 0.5}))
    assert (info.name, info.method, info.rate_hz, info.window, info.state_size) == (
        "first",
        "haptic_play",
        100.0,
        20,
        28,
    )
    assert (info.robot, info.pose_stream, info.metrics) == (
        "dual_arm_ak60",
        "object_pose.world",
        {"held_out/loss": 0.5},
    )
    assert info.task == load_task("move_box")


@pytest.mark.parametrize(
    ("changes", "words"),
    [
        ({"method": None}, "has no 'method'"),
        ({"format_version": 4}, "reads 1"),
        ({"parts": {}}, "names no file"),
        ({"parts": {"flow": {"file": "gone.safetensors"}}}, "gone.safetensors.*missing"),
        ({"task": {"name": "x"}}, "does not fit together"),
        ({"rate_hz": "fast"}, "does not fit together"),
    ],
)
def test_broken_bundles_are_explained(tmp_path: Path, changes: dict[str, Any], words: str) -> None:
    with pytest.raises(DataError, match=words):
        load_bundle_info(_make_bundle(tmp_path / "b", **changes))


def test_missing_and_cut_files(tmp_path: Path) -> None:
    with pytest.raises(DataError, match="is not a bundle"):
        load_bundle_info(tmp_path)
    folder = _make_bundle(tmp_path / "b")
    (folder / "bundle.json").write_text('{"format_version": 1, "meth')
    with pytest.raises(DataError, match="cut off"):
        load_bundle_info(folder)
    _make_bundle(tmp_path / "good")
    found, broken = list_bundles(tmp_path)
    assert [b.name for b in found] == ["good"] and list(broken) == ["b"]
