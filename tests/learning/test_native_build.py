from __future__ import annotations

from pathlib import Path

import pytest

from studio.core.native import build, find_compiler
from studio.learning.native_build import rollout_source


@pytest.mark.skipif(find_compiler() is None, reason="no C compiler on this machine")
def test_the_rollout_library_is_built_and_says_its_sizes(tmp_path: Path) -> None:
    found = build(rollout_source(), tmp_path)
    assert found.library is not None, found.reason
    assert found.library.panel_width() in (8, 16, 32)
