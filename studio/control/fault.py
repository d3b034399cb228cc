"""What can be wrong with a motor, as a code for the record and as a sentence for people."""

from __future__ import annotations

from enum import IntEnum


class FaultCode(IntEnum):
    """Cause of a latched fault; recorded as `fault_code`."""

    NONE = 0
    SILENT = 1
    DRIVE_ERROR = 2
    OVER_SPEED = 3
    OUT_OF_RANGE = 4
    HOT = 5
    NOT_FINITE = 6
    TRACKING = 7
    RMS_TORQUE = 8
    GUARD = 9
    VIBRATION = 10
    STALLED = 11
    JUMPED = 12


_SENTENCES = {
    FaultCode.SILENT: "{joint} did not answer for {value:.1f} ms. Check its cable.",
    FaultCode.DRIVE_ERROR: "The drive of {joint} reports error {value:.0f}. Read its code on the Devices screen.",
    FaultCode.OVER_SPEED: "{joint} turned at {value:.1f} rad/s, faster than allowed. Check its gains and its load.",
    FaultCode.OUT_OF_RANGE: "{joint} stands at {value:.2f} rad, outside its range. Move it back by hand.",
    FaultCode.HOT: "{joint} is {value:.0f} °C hot. Let it cool down.",
    FaultCode.NOT_FINITE: "{joint} sent a value that is not a number. Check its cable and its model.",
    FaultCode.TRACKING: "{joint} is {value:.2f} rad away from where it was sent. Look for what blocks it.",
    FaultCode.GUARD: "The loop was silent, so the guard stopped the motors. Close other programs.",
    FaultCode.STALLED: "The loop stood still for {value:.0f} ms with motors on. Close other programs.",
    FaultCode.JUMPED: "{joint} changed its angle faster than it can turn. Power it again and zero it.",
    FaultCode.VIBRATION: "{joint} vibrates, its speed by {value:.1f} rad/s. Lower stiffness or damping.",
    FaultCode.RMS_TORQUE: "{joint} has worked at {value:.1f} N·m for too long. Let it rest.",
}


def describe_fault(code: int, joint: str, value: float) -> str:
    """One sentence: which joint, what value, what next. `joint` as on the screens, leader's or follower's."""
    try:
        return _SENTENCES[FaultCode(code)].format(joint=joint, value=value)
    except (ValueError, KeyError):
        return f"{joint} has fault {code}."
