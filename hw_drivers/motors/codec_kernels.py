"""The MIT codec's kernels (resources/native/tick/mit_codec.h), one per set of arrays that comes again and again."""

from __future__ import annotations

from collections.abc import Callable, Mapping

import numpy as np

from studio.core.geometry import FloatArray
from studio.core.kernel import Value, make_kernel

_KEPT = 8  # per codec; each keeps its arrays alive, so that no others can have their identity


class CodecKernels:
    """Finds the kernel for a call of `MitArrayCodec`.

    Args:
        command: layout of command words, by the kernels' names.
        reply: layout of reply words, and the ids in them.
        off: NumPy must do everything.
    """

    def __init__(self, command: Mapping[str, Value], reply: Mapping[str, Value], off: bool) -> None:
        motors = np.shape(reply["ids"])[0]
        self._command = {"motors": motors, **command, "ids": np.zeros(motors, dtype=np.uint64)}
        self._reply = {"motors": motors, **reply}
        self._off, self._carried = off, np.empty((5, motors))
        self._known: dict[tuple[str, int, int, int], tuple[Callable[[], int] | None, object]] = {}

    def find(
        self, work: str, values: FloatArray, frames: np.ndarray, carried: FloatArray | None = None
    ) -> Callable[[], int] | None:
        """What does `work` (a method of the codec) on these very arrays; None where NumPy must do it."""
        key = work, id(values), id(frames), id(carried)
        known = self._known.get(key)
        if known is None:
            if len(self._known) >= _KEPT:
                self._known.clear()
            known = self._known[key] = self._make(work, values, frames, carried), (values, frames, carried)
        return known[0]

    def _make(
        self, work: str, values: FloatArray, frames: np.ndarray, carried: FloatArray | None
    ) -> Callable[[], int] | None:
        columns, read_back = values.T, self._carried if carried is None else carried.T
        arrays = columns, frames, read_back
        if self._off or not all(array.flags.c_contiguous and array.flags.aligned for array in arrays):
            return None
        if columns.dtype != np.float64 or read_back.dtype != np.float64:
            return None
        if not (columns.flags.writeable and frames.flags.writeable) or frames.ctypes.data % 8:
            return None  # commands that may only be read, such as broadcast ones
        layout = self._reply if work.endswith("replies") else self._command
        function = "decode" if work.startswith("decode") else work
        values_by_name = {**layout, "values": columns, "frames": frames.view(np.uint64), "carried": read_back}
        kernel = make_kernel("Codec", function, values_by_name)
        return None if kernel is None else kernel.run
