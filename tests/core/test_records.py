from __future__ import annotations

import pytest

from studio.core.errors import ConfigError
from studio.core.records import Field, RecordType, Role, make_control_record, make_truth_record


def test_a_record_type_survives_json() -> None:
    original = make_control_record(joints=8, pairs=2, rate_hz=400.0)
    copy = RecordType.from_json(original.to_json())
    assert copy == original
    assert copy.dtype == original.dtype


def test_metrics_and_labels_never_pass_the_role_filter() -> None:
    control = make_control_record(joints=8, pairs=2, rate_hz=400.0)
    seen = control.names([Role.OBSERVATION, Role.ACTION])
    assert "follower_position_rad" in seen
    assert "follower_sent_position_rad" in seen
    assert not {"lateness_s", "pair_state", "reset_count", "follower_requested_position_rad"} & set(seen)
    assert make_truth_record(2, 400.0).names([Role.OBSERVATION, Role.ACTION]) == ()


def test_field_names_are_unique() -> None:
    with pytest.raises(ConfigError, match="unique"):
        RecordType("x", 1.0, (Field(name="a"), Field(name="a")))


def test_an_unknown_field_is_named() -> None:
    with pytest.raises(ConfigError, match="no field colour"):
        make_truth_record(2, 400.0).field("colour")
