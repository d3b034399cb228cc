"""The command line: one module per command, loaded when it is called."""

from __future__ import annotations

import importlib
import sys

from studio.cli.output import report_error
from studio.core.errors import ConfigError, DataError, StudioError
from studio.core.paths import find_shipped_code

# command -> (module, one line for the overview)
COMMANDS: dict[str, tuple[str, str]] = {
    "gui": ("studio.cli.gui", "open the studio (the default)"),
    "tour": ("studio.cli.tour", "the whole job, unattended, with a report: play, train, plan"),
    "play": ("studio.cli.play", "simulated haptic play by a scripted hand, as fast as the machine allows"),
    "record": ("studio.cli.record", "real-time teleoperation, recorded"),
    "dataset": ("studio.cli.dataset", "info, verify, repair, import, export"),
    "train": ("studio.cli.train", "train a method on a dataset"),
    "evaluate": ("studio.cli.evaluate", "goal-reaching episodes in simulation"),
    "bench": ("studio.cli.bench", "side-by-side measurements and campaigns, each by its name"),
    "commission": ("studio.cli.commission", "check a motor before it is trusted; rehearse it on twins"),
    "camera": ("studio.cli.camera", "calibration board, a camera's intrinsics and its place in the world"),
    "can": ("studio.cli.can", "motor frames as bytes: encode, decode, servo, models"),
    "uart": ("studio.cli.uart", "serial frames of the drives: encode, decode, query"),
    "methods": ("studio.cli.methods", "every method with its source, status and presets"),
    "doctor": ("studio.cli.doctor", "what this machine can and cannot do, and what to type where something lacks"),
    "screenshots": ("studio.cli.screenshots", "pictures of every screen, made from the real window"),
}


def _overview() -> str:
    rows = "\n".join(f"  {name:<12} {text}" for name, (_, text) in COMMANDS.items())
    return f"usage: main.py COMMAND [options]\n\ncommands:\n{rows}\n\n`main.py COMMAND --help` lists its options."


def main(arguments: list[str] | None = None) -> int:
    """Run one command; returns the exit code (0 done, 2 usage, 3 data, 4 device, 5 safety, 1 anything else)."""
    find_shipped_code()
    words = list(sys.argv[1:] if arguments is None else arguments)
    debug = "--debug" in words
    words = [word for word in words if word != "--debug"]
    if words and words[0] in ("-h", "--help"):
        print(_overview())
        return 0
    name = words.pop(0) if words and not words[0].startswith("-") else "gui"
    try:
        if name not in COMMANDS:
            raise ConfigError(f"There is no command {name!r}. Commands: {', '.join(COMMANDS)}.")
        return int(importlib.import_module(COMMANDS[name][0]).run(words))
    except SystemExit as error:  # argument parsers end with this
        return error.code if isinstance(error.code, int) else 2
    except KeyboardInterrupt:
        print("stopped by you", file=sys.stderr)
        return 1
    except StudioError as error:
        if debug:
            raise
        report_error(error)
        return error.exit_code
    except OSError as error:
        if debug:
            raise
        where = f"{error.filename}: " if error.filename else ""
        report_error(DataError(f"{where}{error.strerror}. Check the disk and its rights, or choose another place."))
        return DataError.exit_code
