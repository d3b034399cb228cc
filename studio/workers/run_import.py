"""One import of foreign data in its own process: `python -m studio.workers.run_import RUN_DIR`.

Specification: `source` (a LeRobot folder), `out` (the new dataset's folder). The dataset appears whole or not at all.
"""

from __future__ import annotations

import signal
import sys
import threading
import time
import traceback
from pathlib import Path
from typing import Any

from studio.core.errors import ConfigError, StudioError
from studio.jobs.run import RunWriter

_POLL_S = 0.3


class _Stopped(Exception):  # noqa: N818  (a wish, not an error)
    """Raised in the main thread when the run is cancelled; the half-made dataset is removed on the way out."""


def _stop(*_: Any) -> None:
    raise _Stopped


def import_data(writer: RunWriter) -> None:
    """Import, and say what came of it."""
    from studio.data.lerobot import import_dataset

    began_s = time.time()
    spec = writer.run.spec
    missing = [key for key in ("source", "out") if not spec.get(key)]
    if missing:
        raise ConfigError(
            f"The import's job.json has no {missing[0]!r}. Start it from the library or with `dataset import`."
        )
    writer.update(state="running", stage="import", message=f"Reading {Path(str(spec['source'])).name}")
    found = import_dataset(Path(str(spec["source"])), Path(str(spec["out"])))
    result = {
        "episodes": found.episodes,
        "total_s": found.total_s,
        "streams": list(found.streams),
        "out": str(spec["out"]),
    }
    writer.finish({**result, "left_out": list(found.left_out)})
    message = f"{found.episodes} episodes, {found.total_s / 60:.1f} min, are in the library."
    if found.left_out:
        message += f" Left out, being no numbers: {', '.join(found.left_out)}."
    wall_s = round(time.time() - began_s, 2)
    writer.update(state="done", message=message, step=found.episodes, steps=found.episodes, wall_s=wall_s)


def _watch(writer: RunWriter, ended: threading.Event) -> None:
    """A cancel asked for in the run folder interrupts the import."""
    while not ended.wait(_POLL_S):
        if writer.asked() == "cancel":
            signal.raise_signal(signal.SIGTERM)
            return


def main(arguments: list[str]) -> int:
    """Run to the end; every error becomes the run's message, with the traceback one click away."""
    if len(arguments) != 1:
        print("usage: python -m studio.workers.run_import RUN_DIR", file=sys.stderr)
        return 2
    writer = RunWriter(Path(arguments[0]))
    signal.signal(signal.SIGTERM, _stop)
    ended = threading.Event()
    watch = threading.Thread(target=_watch, args=(writer, ended), name="import-watch", daemon=True)
    watch.start()
    try:
        import_data(writer)
        return 0
    except _Stopped:
        writer.update(state="cancelled", message="Import cancelled; nothing was added to the library.")
        return 1
    except StudioError as error:
        writer.update(state="failed", message=str(error), detail=error.detail, exit_code=error.exit_code)
        return error.exit_code
    except Exception as error:  # noqa: BLE001  # worker main: whatever it is must reach the window as a sentence
        message = f"The import stopped: {error or type(error).__name__}. The library is as it was; look at the detail."
        writer.update(state="failed", message=message, detail=traceback.format_exc(), exit_code=1)
        traceback.print_exc()
        return 1
    finally:
        ended.set()
        writer.close()


if __name__ == "__main__":
    raise SystemExit(main(sys.argv[1:]))
