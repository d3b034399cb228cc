"""One export for other programs in its own process: `python -m studio.workers.run_export RUN_DIR`.

Specification: `dataset` (its folder), `out` (a new folder), `episodes` (ids; empty = all), `format`. Cancelling stops
between files and leaves what is written.
"""

from __future__ import annotations

import sys
import time
import traceback
from pathlib import Path

from studio.core.errors import ConfigError, StudioError
from studio.jobs.run import RunWriter


def export_data(writer: RunWriter) -> None:
    """Export, and say what came of it."""
    from studio.data.dataset import Dataset
    from studio.data.export import export_dataset

    began_s, spec = time.time(), writer.run.spec
    missing = [key for key in ("dataset", "out") if not spec.get(key)]
    if missing:
        raise ConfigError(f"The export's job.json has no {missing[0]!r}. Start it from the library with Ctrl+E.")
    only, out = [str(one) for one in spec.get("episodes", [])], Path(str(spec["out"]))
    writer.update(state="running", stage="export", message=f"Writing {len(only) or 'all'} episodes")
    done = export_dataset(Dataset(Path(str(spec["dataset"]))), out, str(spec.get("format", "csv")), only=only)
    writer.finish({"episodes": done.episodes, "frames": done.frames, "files": done.files, "out": str(out)})
    message = f"{done.episodes} episode{'' if done.episodes == 1 else 's'}, {done.files} tables, are in {out}."
    wall_s = round(time.time() - began_s, 2)
    writer.update(state="done", message=message, step=done.episodes, steps=done.episodes, wall_s=wall_s)


def main(arguments: list[str]) -> int:
    """Run to the end; every error becomes the run's message, with the traceback one click away."""
    if len(arguments) != 1:
        print("usage: python -m studio.workers.run_export RUN_DIR", file=sys.stderr)
        return 2
    writer = RunWriter(Path(arguments[0]))
    try:
        export_data(writer)
        return 0
    except StudioError as error:
        writer.update(state="failed", message=str(error), detail=error.detail, exit_code=error.exit_code)
        return error.exit_code
    except Exception as error:  # noqa: BLE001  # worker main: whatever it is must reach the window as a sentence
        message = f"The export stopped: {error or type(error).__name__}. The library is as it was; look at the detail."
        writer.update(state="failed", message=message, detail=traceback.format_exc(), exit_code=1)
        traceback.print_exc()
        return 1
    finally:
        writer.close()


if __name__ == "__main__":
    raise SystemExit(main(sys.argv[1:]))
