"""Taking all replies at once: the kernel takes what NumPy takes, and refuses what it refuses."""

from __future__ import annotations

import numpy as np
import pytest

from hw_drivers.bus.can_frame import STAMP_NS, STAMP_S, make_stamps
from hw_drivers.bus.known_replies import KnownReplies
from hw_drivers.bus.motor_states import MotorStates, make_states
from studio.core import kernel
from studio.core.kernel import NativeBuild, tick_build

pytestmark = pytest.mark.skipif(tick_build().library is None, reason=tick_build().reason or "there is a library")

COUNTS, MOTORS, SPARE = [3, 1, 4], 8, 5


class Rows:
    """Incoming rows and what is taken of them; `numpy_only` is the reference."""

    def __init__(self, *, numpy_only: bool) -> None:
        self.words = np.zeros((MOTORS + SPARE, 2), dtype=np.uint64)
        self.stamps, self.replies = make_stamps(MOTORS + SPARE), np.zeros(MOTORS, dtype=np.uint64)
        self.states: MotorStates = make_states(MOTORS, len(COUNTS))
        with pytest.MonkeyPatch.context() as patch:
            if numpy_only:
                patch.setattr(kernel, "tick_build", lambda: NativeBuild(library=None, reason="for comparison"))
            self.known = KnownReplies(self.words, self.stamps, COUNTS, self.replies, self.states)

    def taken(self) -> bytes:
        return b"".join(x.tobytes() for x in (self.replies, self.states.t_ns, self.states.sequence))


def test_nothing_is_known_at_first() -> None:
    for numpy_only in (False, True):
        assert not Rows(numpy_only=numpy_only).known.take([0, 0, 0], 0)


def test_the_same_is_taken_and_refused() -> None:
    random, results = np.random.default_rng(1), set()
    both = Rows(numpy_only=False), Rows(numpy_only=True)
    order, of_status = random.permutation(MOTORS).tolist(), (random.random(MOTORS) < 0.4).tolist()
    heads = random.integers(0, 1 << 63, (MOTORS + SPARE, 2), dtype=np.uint64)
    for rows in both:
        rows.words[:] = heads
        rows.known.learn(order, of_status)
    for _ in range(300):
        words = heads.copy()
        words[:, 1] ^= random.integers(0, 1 << 55, MOTORS + SPARE, dtype=np.uint64) << np.uint64(8)  # new data, same id
        if random.random() < 0.3:  # another frame, or another drive's
            words[random.integers(MOTORS), random.integers(2)] ^= np.uint64(1)
        seconds, nanoseconds = random.integers(1000, 1003, MOTORS + SPARE), random.integers(0, 10**9, MOTORS + SPARE)
        offsets_ns, asked_ns = random.integers(-(10**12), 10**12, 3).tolist(), int(random.integers(10**12, 2 * 10**12))
        asked_ns = -(10**13) if random.random() < 0.6 else asked_ns
        found = []
        for rows in both:
            rows.words[:], rows.stamps[:, STAMP_S], rows.stamps[:, STAMP_NS] = words, seconds, nanoseconds
            found.append(rows.known.take(offsets_ns, asked_ns))
        assert found[0] is found[1]
        assert both[0].taken() == both[1].taken()
        results.add(found[0])
    assert results == {True, False}
