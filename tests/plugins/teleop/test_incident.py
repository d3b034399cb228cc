"""The 2 s before a fault: kept at full rate, told in order, saved as an episode."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from plugins.teleop.incident import Incident, IncidentWatch, find_events, save_incident
from studio.core.records import PairState, make_control_record
from studio.data.episode import EpisodeReader
from studio.robot.description import load_robot

ROBOT = load_robot()
KIND = make_control_record(joints=8, pairs=2, rate_hz=400.0)
PERIOD_NS = 2_500_000
FAULT_AT = 1600  # tick


def make_records(count: int = 2400) -> np.ndarray:
    """L3 of the follower falls silent five ticks before the fault; the right pair holds one tick later."""
    records = KIND.empty(count)
    records["t_ns"] = 1_000_000_000 + np.arange(count) * PERIOD_NS
    records["pair_state"] = int(PairState.ENGAGED)
    records["pair_state"][FAULT_AT:, 0] = int(PairState.FAULT)
    records["pair_state"][FAULT_AT + 1 :, 1] = int(PairState.HOLDING)
    records["fault_code"][FAULT_AT:, 0], records["fault_joint"] = 1, -1
    records["fault_joint"][FAULT_AT:, 0] = 2
    silent = np.maximum(np.arange(count) - (FAULT_AT - 5), 0)
    records["follower_reply_age_s"][:, 2] = silent / 400.0
    return records


def watch_all(records: np.ndarray, block: int) -> IncidentWatch:
    watch = IncidentWatch()
    for start in range(0, len(records), block):
        watch.take(records[start : start + block])
    return watch


@pytest.mark.parametrize("block", [1, 7, 64, 2400])
def test_two_seconds_before_and_half_a_second_after_stay(block: int) -> None:
    records = make_records()
    incident = watch_all(records, block).incident
    assert incident is not None
    assert incident.fault_ns == records["t_ns"][FAULT_AT]
    assert incident.records["t_ns"][0] == records["t_ns"][FAULT_AT - 800]
    assert incident.records["t_ns"][-1] == records["t_ns"][FAULT_AT + 200]
    assert (np.diff(incident.records["t_ns"]) == PERIOD_NS).all(), "every record, once"
    assert (incident.pair, incident.code, incident.joint, incident.side) == (0, 1, 2, "follower")


def test_events_are_what_the_records_say() -> None:
    incident = watch_all(make_records(), 16).incident
    assert incident is not None
    told = [(round(event.t_ms, 3), event.words) for event in find_events(ROBOT, incident)]
    assert told == [
        (0.0, "last reply from L3"),
        (5.0, "no reply: left pair damping only"),
        (12.5, "fault latched, left pair stopped"),
        (15.0, "right pair holds"),
    ]


def test_another_fault_begins_with_itself() -> None:
    records = make_records()
    records["fault_code"][FAULT_AT:, 0] = 3
    records["pair_state"][FAULT_AT + 1 :, 1] = int(PairState.DISABLED)
    incident = watch_all(records, 16).incident
    assert incident is not None
    assert [(e.t_ms, e.words) for e in find_events(ROBOT, incident)] == [(0.0, "fault latched, left pair stopped")]


def test_clearing_forgets_and_the_next_fault_counts_anew() -> None:
    watch = watch_all(make_records(), 16)
    assert watch.complete
    watch.clear()
    assert watch.incident is None
    later = make_records()
    later["t_ns"] += 60_000_000_000
    watch.take(later[:FAULT_AT])
    assert watch.incident is None
    watch.take(later[FAULT_AT:])
    found = watch.incident
    assert isinstance(found, Incident) and found.fault_ns == later["t_ns"][FAULT_AT]


def test_saved_incident_opens_as_an_episode(tmp_path: Path) -> None:
    incident = watch_all(make_records(), 16).incident
    assert incident is not None
    folder, error = save_incident(tmp_path / "incidents", KIND, incident, {"robot": ROBOT.name, "task": "move_box"})
    assert error is None and folder is not None
    reader = EpisodeReader(folder)
    try:
        np.testing.assert_array_equal(reader.read("control"), incident.records)
    finally:
        reader.close()


def test_a_place_that_cannot_be_written_is_an_error_not_a_crash(tmp_path: Path) -> None:
    incident = watch_all(make_records(), 16).incident
    assert incident is not None
    (tmp_path / "incidents").write_text("a file stands here")
    folder, error = save_incident(tmp_path / "incidents", KIND, incident, {})
    assert folder is None and error is not None
