"""Frames printed in the manuals or computed from their formulas by hand, used by codec and command-line tests."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True)
class Mit:
    model: str
    firmware: str
    values: tuple[float, ...]  # p, v, kp, kd, t
    data: str


MIT_COMMANDS = [
    Mit("AK60-6", "legacy", (0, 0, 0, 0, 0), "80 00 80 00 00 00 08 00"),  # C1
    Mit("AK60-6", "legacy", (12.5, 45, 500, 5, 15), "FF FF FF FF FE FF FF FF"),  # C2 with the Kp cap
    Mit("AK60-6", "legacy", (-12.5, -45, 0, 0, -15), "00 00 00 00 00 00 00 00"),  # C3
    Mit("AK60-6", "legacy", (1, 0, 0, 0, 0), "8A 3D 80 00 00 00 08 00"),  # C4
    Mit("AK60-6", "legacy", (0.1, 0.5, 60, 1.5, 0.25), "81 06 81 61 EB 4C D8 22"),  # C10
    Mit("AK60-6", "legacy", (13, 50, 600, 6, 20), "FF FF FF FF FE FF FF FF"),  # C14 with the Kp cap
    Mit("AK80-9", "legacy", (0, 0, 0, 0, 0), "80 00 80 00 00 00 08 00"),  # C17
    Mit("AK80-9", "legacy", (12.5, 50, 500, 5, 18), "FF FF FF FF FE FF FF FF"),  # C20 with the Kp cap
    Mit("AK60-6", "v3", (0, 0, 0, 0, 0), "00 00 00 80 00 80 08 00"),
    Mit("AK60-6", "v3", (1, 0, 60, 1.5, 0), "1E B4 CD 8A 30 80 08 00"),
    Mit("AK60-6", "v3", (-12.56, -60, 0, 0, -12), "00 00 00 00 00 00 00 00"),
    Mit("AK60-6", "v3", (12.56, 60, 500, 5, 12), "FF FF FF FF FF FF FF FF"),  # no cap: V3 has no special frames
    # By hand. A quarter of the range is code 0x4000 (0.25 * 65535 + 0.5 = 16384.25) or 0x400 (0.25 * 4095 + 0.5 =
    # 1024.25); three quarters is 0xC000 (49151.75 -> 49151 = 0xBFFF) or 0xBFF (3071.75 -> 3071).
    Mit("AK10-9", "legacy", (-6.25, 25, 125, 1.25, -32.5), "40 00 BF F4 00 40 04 00"),
    Mit("AK10-9", "v3", (-6.28, 14, 125, 1.25, -27), "40 04 00 40 00 BF F4 00"),
    Mit("AK80-64", "legacy", (6.25, -4, 375, 3.75, 72), "BF FF 40 0B FF BF FB FF"),
    Mit("AK80-6", "v3", (6.28, 38, 375, 3.75, -6), "BF FB FF BF FF BF F4 00"),
    # (1.25 + 5) / 10 * 4095 + 0.5 = 2559.875 -> 0x9FF; (-22.75 + 45.5) / 91 = 0.25
    Mit("AK40-10", "legacy", (0, -22.75, 0, 0, 1.25), "80 00 40 00 00 00 09 FF"),
    # (10 + 12.5) / 25 * 65535 + 0.5 = 58982.0 -> 0xE666; (3 + 20) / 40 * 4095 + 0.5 = 2355.125 -> 0x933
    Mit("AK45-10", "legacy", (10, 3, 100, 1, -8), "E6 66 93 33 33 33 30 00"),
]


@dataclass(frozen=True)
class Answer:
    model: str
    firmware: str
    data: str
    drive_id: int | None
    position_rad: float
    velocity_rad_s: float
    torque_nm: float
    temperature_c: float | None
    error_code: int | None


ANSWERS = [
    Answer("AK60-6", "legacy", "01 80 00 80 08 00", 1, 0.000191, 0.010989, 0.003663, None, None),  # R1
    Answer("AK60-6", "legacy", "01 7F FF 7F F7 FF", 1, -0.000191, -0.010989, -0.003663, None, None),  # R2
    Answer("AK60-6", "legacy", "02 FF FF FF FF FF 46 00", 2, 12.5, 45, 15, 30, 0),  # R3
    Answer("AK60-6", "legacy", "03 00 00 00 00 00 3C 05", 3, -12.5, -45, -15, 20, 5),  # R4
    Answer("AK80-9", "legacy", "01 8A 3D 85 1A 00 44 00", 1, 1.000038, 1.990232, 4.505495, 28, 0),  # R10
    Answer("AK60-6", "legacy", "01 85 1E 9C 79 99", 1, 0.49992, 10.011, 3.0, None, None),
    Answer("AK80-9", "legacy", "01 85 1E 9C 79 99", 1, 0.49992, 11.123, 3.6, None, None),  # the wrong table
    Answer("AK60-6", "v3", "01 C2 03 E8 00 64 1E 00", None, 0.7853982, 12.46664, 0.80, 30, 0),
    Answer("AK60-6", "v3", "00 00 00 00 00 00 1A 00", None, 0, 0, 0, 26, 0),
    # by hand: -900 * 0.1 deg; 1890 ERPM / 189 = 10 rpm = 1.0471976 rad/s; -2.5 A * 0.56; 0xF6 = -10 degC; unknown code
    Answer("AK80-9", "v3", "FC 7C 00 BD FF 06 F6 09", None, -1.5707963, 1.0471976, -1.40, -10, 9),
]

# packet, values, drive id, arbitration id, data
SERVO = [
    ("duty", (0.2,), 0x68, 0x00000068, "00 00 4E 20"),
    ("duty", (-0.2,), 0x68, 0x00000068, "FF FF B1 E0"),
    ("current", (4,), 0x68, 0x00000168, "00 00 0F A0"),
    ("current", (-4,), 0x68, 0x00000168, "FF FF F0 60"),
    ("current_brake", (4,), 0x68, 0x00000268, "00 00 0F A0"),
    ("current_brake", (-4,), 0x68, 0x00000268, "FF FF F0 60"),
    ("velocity", (5000,), 0x68, 0x00000368, "00 00 13 88"),
    ("velocity", (-5000,), 0x68, 0x00000368, "FF FF EC 78"),
    ("position", (600,), 0x68, 0x00000468, "00 5B 8D 80"),
    ("position", (-600,), 0x68, 0x00000468, "FF A4 72 80"),
    ("position_velocity", (1000, 10_000, 10_000), 0x68, 0x00000668, "00 98 96 80 03 E8 03 E8"),
    ("position_velocity", (-1000, -10_000, -10_000), 0x68, 0x00000668, "FF 67 69 80 FC 18 FC 18"),
    ("current", (2.5,), 1, 0x00000101, "00 00 09 C4"),
    ("position", (90,), 1, 0x00000401, "00 0D BB A0"),
    ("position", (-45,), 1, 0x00000401, "FF F9 22 30"),
    ("origin", (0,), 1, 0x00000501, "00"),
    ("position_velocity", (180, 10_000, 20_000), 1, 0x00000601, "00 1B 77 40 03 E8 07 D0"),
    ("duty", (-1,), 9, 0x00000009, "FF FE 79 60"),  # by hand: -100000
    ("current", (-60,), 9, 0x00000109, "FF FF 15 A0"),  # by hand: -60000
]

# data, degrees, ERPM, A, degC, error
STATUS = [
    ("03 E8 00 05 01 F4 28 00", 100.0, 50, 5.00, 40, 0),
    ("FF FE FF FF FF FD 19 00", -0.2, -10, -0.03, 25, 0),
    ("00 00 00 00 00 00 1A 00", 0, 0, 0, 26, 0),
    ("83 00 83 00 E8 90 5F 06", -3200.0, -320_000, -60.00, 95, 6),
    ("01 C2 03 E8 00 64 1E 00", 45.0, 10_000, 1.00, 30, 0),
]

# dialect, command, values, text, frame
UART = [
    ("legacy", "values", (), "", "02 01 04 40 84 03"),
    ("legacy", "duty", (0.2,), "", "02 05 05 00 00 4E 20 29 F6 03"),
    ("legacy", "duty", (-0.2,), "", "02 05 05 FF FF B1 E0 77 85 03"),
    ("legacy", "brake", (5,), "", "02 05 07 00 00 13 88 21 74 03"),
    ("legacy", "brake", (-5,), "", "02 05 07 FF FF EC 78 49 54 03"),
    ("legacy", "velocity", (1000,), "", "02 05 08 00 00 03 E8 2B 58 03"),
    ("legacy", "velocity", (-1000,), "", "02 05 08 FF FF FC 18 43 78 03"),
    ("legacy", "position", (180,), "", "02 05 09 0A BA 95 00 1E F7 03"),
    ("legacy", "position", (90,), "", "02 05 09 05 5D 4A 80 7B 29 03"),
    ("legacy", "hand_brake", (5,), "", "02 05 0A 00 00 13 88 00 0E 03"),
    ("legacy", "hand_brake", (-5,), "", "02 05 0A FF FF EC 78 68 2E 03"),
    ("legacy", "multi_turn", (), "", "02 05 5C 00 00 00 00 9E 19 03"),
    ("legacy", "single_turn", (), "", "02 05 5D 00 00 00 00 34 48 03"),
    ("legacy", "origin", (1,), "", "02 02 5F 01 0E A0 03"),
    ("legacy", "origin", (0,), "", "02 02 5F 00 1E 81 03"),
    ("legacy", "stream", (4,), "", "02 02 0B 04 9C 7E 03"),
    ("legacy", "selective", (1,), "", "02 05 32 00 00 00 01 58 4C 03"),
    ("legacy", "selective", (0xFFFFFFFF,), "", "02 05 32 FF FF FF FF D1 A2 03"),
    ("legacy", "terminal", (), "encoder", "02 08 14 65 6E 63 6F 64 65 72 B0 4C 03"),
    ("legacy", "terminal", (), "calibrate", "02 0A 14 63 61 6C 69 62 72 61 74 65 76 A5 03"),
    ("legacy", "terminal", (), "exit", "02 05 14 65 78 69 74 96 C3 03"),
    ("legacy", "current", (2.5,), "", "02 05 06 00 00 09 C4 EE D5 03"),
    ("legacy", "current", (0,), "", "02 05 06 00 00 00 00 CD 85 03"),
    ("legacy", "velocity", (5000,), "", "02 05 08 00 00 13 88 44 8D 03"),
    ("legacy", "firmware", (), "", "02 01 00 00 00 03"),
    # of the driver manual, printed there and reported with their CRC by a public project
    ("legacy", "current", (5,), "", "02 05 06 00 00 13 88 8B 25 03"),
    ("legacy", "current", (-5,), "", "02 05 06 FF FF EC 78 E3 05 03"),
    (
        "legacy", "position_velocity", (180, 5000, 30_000), "",
        "02 0D 5B 00 02 BF 20 00 00 13 88 00 00 75 30 A5 AC 03",
    ),
    ("legacy", "go_to_zero", (), "", "02 05 65 00 00 00 00 3A 8B 03"),
    ("v3", "values", (), "", "AA 01 45 18 61 BB"),
    ("v3", "stream", (4,), "", "AA 02 4C 04 08 25 BB"),
    ("v3", "selective", (1,), "", "AA 05 13 00 00 00 01 FA A9 BB"),
    ("v3", "duty", (0.2,), "", "AA 05 46 00 00 4E 20 D6 4C BB"),
    ("v3", "duty", (-0.2,), "", "AA 05 46 FF FF B1 E0 88 3F BB"),
    ("v3", "current", (5,), "", "AA 05 47 00 00 13 88 30 1C BB"),
    ("v3", "current", (-5,), "", "AA 05 47 FF FF EC 78 58 3C BB"),
    ("v3", "velocity", (1000,), "", "AA 05 49 00 00 03 E8 90 61 BB"),
    ("v3", "velocity", (-1000,), "", "AA 05 49 FF FF FC 18 F8 41 BB"),
    ("v3", "position", (180,), "", "AA 05 4A 0A BA 95 00 E1 4D BB"),
    ("v3", "position", (90,), "", "AA 05 4A 05 5D 4A 80 84 93 BB"),
    ("v3", "position_velocity", (180, 5000, 30_000), "", "AA 0D 3C 00 02 BF 20 00 00 13 88 00 00 75 30 18 1C BB"),
    (
        "v3", "mit", (6, 0.1, 0, 2, 2), "",
        "AA 15 60 00 00 17 70 00 00 00 64 00 00 00 00 00 00 07 D0 00 00 07 D0 91 BC BB",
    ),
    (
        "v3", "mit", (-6, 0.1, 0, 2, 2), "",
        "AA 15 60 FF FF E8 90 00 00 00 64 00 00 00 00 00 00 07 D0 00 00 07 D0 C9 10 BB",
    ),
    (
        "v3", "mit", (0, 6, 0, 0, 2), "",
        "AA 15 60 00 00 00 00 00 00 17 70 00 00 00 00 00 00 00 00 00 00 07 D0 93 DA BB",
    ),
    (
        "v3", "mit", (0, -6, 0, 0, 2), "",
        "AA 15 60 00 00 00 00 FF FF E8 90 00 00 00 00 00 00 00 00 00 00 07 D0 87 5C BB",
    ),
    (
        "v3", "mit", (0, 0.1, 2, 0, 0), "",
        "AA 15 60 00 00 00 00 00 00 00 64 00 00 07 D0 00 00 00 00 00 00 00 00 CB B7 BB",
    ),
    (
        "v3", "mit", (0, 0.1, 4, 0, 0), "",
        "AA 15 60 00 00 00 00 00 00 00 64 00 00 0F A0 00 00 00 00 00 00 00 00 2A 27 BB",
    ),
    ("v3", "current", (0,), "", "AA 05 47 00 00 00 00 76 BC BB"),
    ("v3", "origin", (0,), "", "AA 02 40 00 0D CC BB"),
    ("v3", "origin", (1,), "", "AA 02 40 01 1D ED BB"),
    ("v3", "firmware", (), "", "AA 01 41 58 E5 BB"),
]  # fmt: skip

POSITION_STREAM = "02 05 16 00 1A B6 64 D5 F4 03"
SELECTED = "02 07 32 00 00 00 01 01 1D FE F3 03"
_MIDDLE = (
    "01 3B 01 18 00 00 00 7D 00 00 00 28 00 00 00 00 00 00 00 7D 00 34 00 00 03 48 00 F1 00 00 00 00 00 00 00 00 00 "
    "00 00 00 00 00 00 00 00 00 00 00 00 00 00 00 00"
)
_END = "01 00 00 00 00 00 00 00 00 00 0C 00 00 04 D2"
VALUES_LEGACY = f"02 49 04 {_MIDDLE} 00 00 AF C8 {_END} 93 F4 03"
VALUES_OLD = f"02 49 04 {_MIDDLE} 02 AE A5 40 {_END} 63 80 03"
VALUES_V3 = f"AA 49 45 {_MIDDLE} 00 00 AF C8 {_END} 2B 97 BB"
UART_FRAMES = [(dialect, frame) for dialect, _, _, _, frame in UART]
UART_FRAMES += [("legacy", f) for f in (POSITION_STREAM, SELECTED, VALUES_LEGACY, VALUES_OLD)] + [("v3", VALUES_V3)]
