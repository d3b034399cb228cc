from __future__ import annotations

import ctypes

import numpy as np
import pytest

from studio.core import kernel
from studio.core.errors import ConfigError
from studio.core.kernel import Kernel, Value, tick_build

library = tick_build().library
needs_library = pytest.mark.skipif(library is None, reason=tick_build().reason or "there is a library")


def values(**changed: Value) -> dict[str, Value]:
    motors = 3
    arrays: dict[str, Value] = {
        "motors": motors,
        "state": np.arange(6.0),
        "torque": np.full(motors, 2.0),
        "columns": np.zeros((5, motors)),
        "heating": np.ones(motors),
        "keep": np.ones(motors),
        "room": np.zeros(motors),
    }
    return arrays | changed


@needs_library
def test_a_kernel_works_on_the_arrays_it_was_given() -> None:
    assert library is not None
    given = values()
    run = Kernel(library, "Report", "report", given).run  # the kernel itself is gone by the time of the call
    columns = given["columns"]
    assert isinstance(columns, np.ndarray)
    del given
    assert run() == 0
    np.testing.assert_array_equal(columns, [[0, 1, 2], [3, 4, 5], [2, 2, 2], [4, 4, 4], [0, 0, 0]])


READ_ONLY = np.zeros((5, 3))
READ_ONLY.flags.writeable = False
WRONG = {
    "too short": {"torque": np.zeros(2)},
    "too long": {"columns": np.zeros((6, 3))},
    "another type": {"torque": np.zeros(3, dtype=np.float32)},
    "not contiguous": {"torque": np.zeros(6)[::2]},
    "not aligned": {"torque": np.zeros(25, dtype=np.uint8)[1:].view(np.float64)},
    "read only": {"columns": READ_ONLY},
    "no array": {"torque": 1.0},
    "unknown": {"speed": 1.0},
}


@needs_library
@pytest.mark.parametrize("wrong", WRONG.values(), ids=WRONG.keys())
def test_arrays_that_do_not_fit_never_reach_the_library(wrong: dict[str, Value]) -> None:
    assert library is not None
    with pytest.raises(ConfigError, match="defect"):
        Kernel(library, "Report", "report", values(**wrong))


@needs_library
def test_a_missing_member_is_refused() -> None:
    assert library is not None
    given = values()
    del given["room"]
    with pytest.raises(ConfigError, match="defect"):
        Kernel(library, "Report", "report", given)


def test_calls_keep_the_lock() -> None:
    assert kernel.tick_source().load is ctypes.PyDLL


def test_without_a_library_there_is_no_kernel(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(kernel, "tick_build", lambda: kernel.NativeBuild(library=None, reason="no C compiler"))
    assert kernel.make_kernel("Report", "report", values()) is None
