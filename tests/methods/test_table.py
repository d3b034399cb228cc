"""The table names every method without importing one; presets say what their source says."""

from __future__ import annotations

import json
import subprocess
import sys

import pytest

from studio.core.config import apply_settings
from studio.core.errors import ConfigError
from studio.methods.table import METHODS, find_method


def test_listing_needs_no_torch() -> None:
    code = (
        "import sys, json\nfrom studio.methods.table import METHODS\n"
        "configs = [entry.make_config(p) for entry in METHODS.values() for p in entry.presets()]\n"
        "import studio.jobs.queue\nprint(json.dumps([len(configs), 'torch' in sys.modules]))"
    )
    output = subprocess.run([sys.executable, "-c", code], capture_output=True, check=True, text=True).stdout
    count, torch_loaded = json.loads(output)
    assert count >= 2 and not torch_loaded


def test_paper_preset_carries_every_stated_value() -> None:
    paper = find_method("haptic_play").make_config("paper")
    assert (paper.rate_hz, paper.window_ticks) == (400.0, 40)  # 0.1 s
    assert paper.beta == 0.001
    assert paper.flow_blocks == 2
    assert (paper.policy, paper.posterior) == ("gru", "bigru")
    assert paper.reduction == "sum" and paper.chains.steps == 0 and paper.moving_share == 0.0


def test_every_entry_resolves() -> None:
    for entry in METHODS.values():
        assert entry.load().__name__ == entry.target.partition(":")[2]


def test_wrong_names_and_values_are_refused() -> None:
    with pytest.raises(ConfigError, match="haptic_play"):
        find_method("magic")
    with pytest.raises(ConfigError, match="small, paper"):
        find_method("haptic_play").make_config("huge")
    config = find_method("haptic_play").make_config("small")
    assert apply_settings(config, ["stage_1.seconds=5", "policy=gru"]).stage_1.seconds == 5.0
    with pytest.raises(ConfigError, match="unknown key 'stage_9'"):
        apply_settings(config, ["stage_9.seconds=5"])
    with pytest.raises(ConfigError, match="beta is -1; allowed 0 to 10"):
        apply_settings(config, ["beta=-1"])
    with pytest.raises(ConfigError, match="allowed mlp, gru"):
        apply_settings(config, ["policy=lstm"])
