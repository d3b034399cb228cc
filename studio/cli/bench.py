"""`bench NAME`: side-by-side measurements, one module of `benchmarks` per name, loaded when it is called."""

from __future__ import annotations

import importlib
import sys

from studio.core.errors import ConfigError

# name -> (module, one line for the overview); a module has `run(arguments: list[str]) -> int` and writes its own JSON
BENCHMARKS: dict[str, tuple[str, str]] = {
    "control": ("benchmarks.control", "CPU of the whole 16-motor cycle against the same with python-can"),
    "gui": ("benchmarks.gui", "turns of the window's event loop in every situation, against the limit of 50 ms"),
    "mppi": ("benchmarks.mppi", "latency and cost of plans against pytorch_mppi on the same networks"),
    "faults": ("benchmarks.faults", "every injected fault in every state over both transports"),
    "lateness": ("benchmarks.lateness", "how late the loop is woken while window, recorder and planner are busy"),
    "frames": ("benchmarks.frames", "random frames into decoders, drives and the loop: nothing happens"),
    "stability": (
        "benchmarks.stability",
        "largest stable stiffness of the coupling, and the observer on either side of it",
    ),
    "priors": (
        "benchmarks.priors",
        "bits per dimension of priors against a public library's, actions against a cloning GRU",
    ),
    "skills": ("benchmarks.skills", "success of skills, planners and parts of the recipe on the same goals (hours)"),
    "transparency": ("benchmarks.transparency", "what an operator feels through each bilateral scheme"),
}


def _overview() -> str:
    rows = "\n".join(f"  {name:<14} {text}" for name, (_, text) in BENCHMARKS.items())
    return (
        f"usage: main.py bench NAME [options]\n\nbenchmarks:\n{rows}\n\n`main.py bench NAME --help` lists its options."
    )


def run(arguments: list[str]) -> int:
    """Run one benchmark.

    Raises:
        ConfigError: there is no benchmark of that name.
    """
    if not arguments or arguments[0] in ("-h", "--help"):
        print(_overview(), file=sys.stdout if arguments else sys.stderr)
        return 0 if arguments else 2
    name, rest = arguments[0], arguments[1:]
    if name not in BENCHMARKS:
        raise ConfigError(f"There is no benchmark {name!r}. Benchmarks: {', '.join(BENCHMARKS) or 'none yet'}.")
    return int(importlib.import_module(BENCHMARKS[name][0]).run(rest))
