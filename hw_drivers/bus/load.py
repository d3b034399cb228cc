"""How full a CAN bus gets, computed before motors are switched on (spec/hardware.md section 5)."""

from __future__ import annotations

from dataclasses import dataclass

from studio.core.errors import ConfigError

BIT_RATE_HZ = 1_000_000
MOST_LOAD = 0.70  # worst case; leaves room for one error frame with its repetition, and for jitter
_STANDARD_BITS, _EXTENDED_BITS = 47, 67  # without data, with the three bits between frames
_STANDARD_STUFFED, _EXTENDED_STUFFED = 34, 54  # of these, how many can be stuffed


def frame_bits(data_bytes: int, *, extended: bool, stuffed: bool = True) -> int:
    """Bits of a classic data frame; `stuffed`: the worst case, one extra bit in four after the first."""
    bits = (_EXTENDED_BITS if extended else _STANDARD_BITS) + 8 * data_bytes
    if not stuffed:
        return bits
    return bits + ((_EXTENDED_STUFFED if extended else _STANDARD_STUFFED) + 8 * data_bytes - 1) // 4


@dataclass(frozen=True, kw_only=True)
class Traffic:
    """What one motor puts on the bus.

    Args:
        command_bytes, reply_bytes: data bytes of one frame.
        extended: identifiers of 29 bits (V3).
        reply_rate_hz: of replies that come by themselves; 0: one reply per command.
    """

    command_bytes: int = 8
    reply_bytes: int = 8
    extended: bool = False
    reply_rate_hz: float = 0.0

    def bits_per_s(self, rate_hz: float) -> float:
        """Worst case at a loop rate."""
        command = frame_bits(self.command_bytes, extended=self.extended)
        reply = frame_bits(self.reply_bytes, extended=self.extended)
        return command * rate_hz + reply * (self.reply_rate_hz or rate_hz)


LEGACY = Traffic()
V3 = Traffic(extended=True)


def bus_load(motors: int, rate_hz: float, traffic: Traffic = LEGACY, bit_rate_hz: float = BIT_RATE_HZ) -> float:
    """Worst-case share of the bus that is in use; above 1 it cannot work."""
    return motors * traffic.bits_per_s(rate_hz) / bit_rate_hz


def fastest_rate_hz(motors: int, traffic: Traffic = LEGACY, share: float = MOST_LOAD) -> float:
    """Highest loop rate with replies to every command within a share of the bus."""
    own = Traffic(command_bytes=traffic.command_bytes, reply_bytes=traffic.reply_bytes, extended=traffic.extended)
    return share * BIT_RATE_HZ / (motors * own.bits_per_s(1.0))


def fitting_table(traffic: Traffic = LEGACY) -> list[dict[str, float]]:
    """What would fit: for 1 to 8 motors on a bus the fastest loop within the rule, and the absolute ceiling."""
    return [
        {
            "motors": count,
            "rate_hz": fastest_rate_hz(count, traffic),
            "ceiling_hz": fastest_rate_hz(count, traffic, 1.0),
        }
        for count in range(1, 9)
    ]


def check_load(name: str, motors: int, rate_hz: float, traffic: Traffic = LEGACY) -> float:
    """The worst-case load of one bus.

    Raises:
        ConfigError: above the rule; the message holds the table of what would fit.
    """
    load = bus_load(motors, rate_hz, traffic)
    if load <= MOST_LOAD:
        return load
    rows = ", ".join(f"{row['motors']:.0f} motors {int(row['rate_hz'])} Hz" for row in fitting_table(traffic))
    raise ConfigError(
        f"Bus {name}: {motors} motors at {rate_hz:g} Hz load it {100 * load:.0f} % in the worst case; allowed "
        f"{100 * MOST_LOAD:.0f} %. What fits on one bus: {rows}. Lower the rate or spread the motors over more buses."
    )
