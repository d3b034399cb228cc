"""The record's views land in the right fields, for any number of joints; lateness, faults, gate."""

from __future__ import annotations

import numpy as np
import pytest

from studio.control.fault import FaultCode, describe_fault
from studio.control.frame import Frame
from studio.control.gate import first_failure, make_gate
from studio.control.lateness import LatenessHistogram
from studio.control.stream import ControlRecord, make_streams
from studio.core.records import make_control_record
from studio.robot.description import load_robot


@pytest.mark.parametrize(("joints", "pairs"), [(8, 2), (3, 1), (21, 3)])
def test_every_motor_field_is_filled_from_its_own_column(joints: int, pairs: int) -> None:
    frame = Frame(joints, pairs)
    record = ControlRecord(make_control_record(joints=joints, pairs=pairs, rate_hz=400.0), frame)
    for offset, columns in ((0, frame.measured), (1000, frame.requested), (2000, frame.sent)):
        columns[:] = np.arange(columns.size).reshape(columns.shape) + offset
    frame.measured[4] = np.arange(2 * joints).reshape(2, joints)
    frame.t_ns[:] = np.arange(2 * joints) * 1000
    record.fill_motors(1_000_000)
    row = record.array[0]
    for side, name in enumerate(("leader", "follower")):
        fields = ("position_rad", "velocity_rad_s", "torque_nm", "temperature_c", "error_code")
        for column, field in enumerate(fields):
            assert row[f"{name}_{field}"] == pytest.approx(frame.measured[column, side])
        for stage, columns in (("requested", frame.requested), ("sent", frame.sent)):
            fields = ("position_rad", "velocity_rad_s", "kp_nm_rad", "kd_nm_s_rad", "torque_nm")
            for column, field in enumerate(fields):
                assert row[f"{name}_{stage}_{field}"] == pytest.approx(columns[column, side])
        age_s = (1_000_000 - frame.t_ns.reshape(2, joints)[side]) * 1e-9
        assert row[f"{name}_reply_age_s"] == pytest.approx(age_s)
    assert row["pair_state"].tolist() == [0] * pairs


def test_streams_of_a_world_and_of_hardware() -> None:
    robot = load_robot()
    assert [s.name for s in make_streams(robot)] == ["control", "object_pose.world", "truth"]
    assert [s.name for s in make_streams(robot, world=False)] == ["control"]
    assert make_streams(robot)[0].rate_hz == 400.0


def test_the_histogram_agrees_with_percentiles() -> None:
    random = np.random.default_rng(0)
    late_us = random.exponential(40.0, 5000)
    histogram = LatenessHistogram()
    for value in late_us:
        histogram.add(int(value * 1000))
    summary = histogram.summary()
    for name, share in (("p50", 50), ("p99", 99), ("p99_9", 99.9)):
        assert summary[name] == pytest.approx(np.percentile(late_us, share), abs=3.0)
    assert summary["max"] == pytest.approx(late_us.max(), abs=0.1) and summary["ticks"] == 5000
    histogram.add(90_000_000)
    histogram.add(-5)
    assert histogram.summary()["max"] == 90_000.0


@pytest.mark.parametrize("code", [code for code in FaultCode if code is not FaultCode.NONE])
def test_every_fault_has_a_sentence_for_people(code: FaultCode) -> None:
    text = describe_fault(code, "L3", 12.5)
    assert text.endswith(".") and "{" not in text and (code in (FaultCode.GUARD, FaultCode.STALLED) or "L3" in text)


def test_the_first_closed_row_of_the_gate_is_what_is_said() -> None:
    rows = make_gate(priority="", silence="", zero="", silent_motors=2, trouble="R1 is hot.", heartbeat_late=True,
                     dead_man_ready=True, apart_rad=0.4, aligned=False)  # fmt: skip
    failure = first_failure(rows)
    assert failure is not None and failure.name == "motors" and "2 motors" in failure.text
    assert rows[-1].ok and "0.40 rad" in rows[-1].text
