"""The clock of a session of play: blocks of recorded time, and the count-down before a take. No Qt."""

from __future__ import annotations

_SOON_S = 60.0


class SessionClock:
    """Counts the recorded time of a session in equal blocks.

    Args:
        block_s: length of a block; blocks: how many make a session (architecture: 4 x 30 min).
    """

    def __init__(self, block_s: float, blocks: int) -> None:
        self.block_s, self.blocks = block_s, blocks
        self._played_s = self._take_s = 0.0
        self._said: set[tuple[int, str]] = set()
        self._rest_since_s: float | None = None
        self._rests = 0

    def count(self, recording: bool, seconds: float) -> str:
        """Called often with the state of the take; a sentence when a block nears its end or is over, else nothing."""
        if recording:
            self._take_s = seconds
        elif self._take_s:
            self._played_s += self._take_s
            self._take_s = 0.0
        return self._sentence(self.played_s)

    def begin(self) -> None:
        """A new session."""
        self._played_s, self._said = -self._take_s, set()
        self._rest_since_s, self._rests = None, 0

    def rest_s(self, recording: bool, now_s: float) -> float | None:
        """How long the rest after a block has lasted; None while there is none. A take ends it."""
        done = int(self.played_s / self.block_s)
        if recording:
            self._rest_since_s = None
        elif done > self._rests:
            self._rests, self._rest_since_s = done, now_s
        return None if self._rest_since_s is None else now_s - self._rest_since_s

    @property
    def resting(self) -> bool:
        return self._rest_since_s is not None

    @property
    def played_s(self) -> float:
        return self._played_s + self._take_s

    @property
    def left_s(self) -> float:
        """Time left in the block that runs; 0 when the session is over."""
        if self.is_over:
            return 0.0
        return self.block_s - self.played_s % self.block_s

    @property
    def is_over(self) -> bool:
        return self.played_s >= self.block_s * self.blocks

    @property
    def block(self) -> int:
        """The block that runs, from 1."""
        return min(int(self.played_s / self.block_s) + 1, self.blocks)

    @property
    def blocks_done(self) -> float:
        """Blocks that are played, such as 1.4."""
        return min(self.played_s / self.block_s, float(self.blocks))

    @property
    def ends_soon(self) -> bool:
        return self.left_s <= _SOON_S

    @property
    def text(self) -> str:
        """`29:53`."""
        left = int(self.left_s + 0.999)
        return f"{left // 60:02d}:{left % 60:02d}"

    def _sentence(self, played_s: float) -> str:
        done = int(played_s / self.block_s)
        if 0 < done <= self.blocks and self._first(done, "over"):
            over = f"Block {done} of {self.blocks} is played. Stop the take and rest a little."
            return over if done < self.blocks else f"All {self.blocks} blocks are played. The session is complete."
        if not self.is_over and self.ends_soon and self._first(done, "soon"):
            return f"Block {self.block} of {self.blocks} ends in a minute."
        return ""

    def _first(self, block: int, what: str) -> bool:
        new = (block, what) not in self._said
        self._said.add((block, what))
        return new


class CountDown:
    """Seconds between Record and the take, so that the hands are ready."""

    def __init__(self) -> None:
        self._end_s: float | None = None

    @property
    def running(self) -> bool:
        return self._end_s is not None

    def begin(self, now_s: float, seconds: float) -> None:
        self._end_s = now_s + seconds

    def cancel(self) -> None:
        self._end_s = None

    def left_s(self, now_s: float) -> float:
        return max(0.0, (self._end_s or now_s) - now_s)

    def is_over(self, now_s: float) -> bool:
        """True once, when the time is up."""
        over = self._end_s is not None and now_s >= self._end_s
        if over:
            self._end_s = None
        return over
