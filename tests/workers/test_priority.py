"""Niceness must hold between workers, each of which leads a session of its own."""

import subprocess
import sys
from pathlib import Path

import pytest

_ASK = "from studio.workers.priority import obtain_niceness; import os; print(obtain_niceness(7), os.nice(0))\n"
_ASK += "from pathlib import Path; f = Path('/proc/self/autogroup'); print(f.read_text() if f.exists() else '')"
_FILE = Path("/proc/self/autogroup")


def _ask(*, own_session: bool) -> tuple[str, str]:
    run = subprocess.run(
        [sys.executable, "-c", _ASK], start_new_session=own_session, check=True, capture_output=True, text=True
    )
    first, second = run.stdout.splitlines()[:2]
    return first, second


def _has_autogroups() -> bool:
    try:
        return "nice" in _FILE.read_text()
    except OSError:
        return False


def test_process_gets_the_level() -> None:
    assert _ask(own_session=True)[0] == "True 7"


@pytest.mark.skipif(not _has_autogroups(), reason="this kernel has no autogroups")
def test_a_workers_session_gets_the_level_too() -> None:
    assert _ask(own_session=True)[1].endswith("nice 7")


@pytest.mark.skipif(not _has_autogroups(), reason="this kernel has no autogroups")
def test_somebody_elses_session_is_left_alone() -> None:
    before = _FILE.read_text()
    assert _ask(own_session=False)[1] == before.splitlines()[0]
    assert _FILE.read_text() == before


def test_a_kernel_without_autogroups_changes_nothing(tmp_path: Path) -> None:
    ask = "from pathlib import Path; from studio.workers.priority import obtain_niceness\n"
    ask += f"print(obtain_niceness(3, autogroup=Path({str(tmp_path / 'no' / 'file')!r})))"
    run = subprocess.run(
        [sys.executable, "-c", ask], start_new_session=True, check=True, capture_output=True, text=True
    )
    assert run.stdout.strip() == "True"


_FAULTS = """
import numpy as np, resource, sys
from studio.workers.priority import keep_memory
if sys.argv[1] == "kept":
    keep_memory()
def use():
    parts = [np.ones(25_000) for _ in range(300)]  # 60 MB in pieces of 200 kB
for _ in range(3):
    use()
before = resource.getrusage(resource.RUSAGE_SELF).ru_minflt
for _ in range(10):
    use()
print(resource.getrusage(resource.RUSAGE_SELF).ru_minflt - before)
"""


def test_freed_memory_stays_and_is_not_faulted_in_again() -> None:
    def faults(how: str) -> int:
        run = subprocess.run([sys.executable, "-c", _FAULTS, how], check=True, capture_output=True, text=True)
        return int(run.stdout)

    assert faults("kept") < 1000 < faults("given back")
