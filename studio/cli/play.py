"""`play --out DATASET --minutes M --seed S`: simulated haptic play by a scripted hand, as fast as it goes."""

from __future__ import annotations

import signal
from dataclasses import dataclass, field
from pathlib import Path
from types import FrameType
from typing import Any

from studio.cli.output import ProgressBar, parse_arguments, write_result
from studio.core.paths import default_dataset


@dataclass(frozen=True, kw_only=True)
class PlayArguments:
    """Simulated haptic play through the bilateral loop, recorded."""

    out: Path = field(default_factory=default_dataset)
    """dataset folder; sessions are added to it"""
    minutes: float = 30.0
    """simulated minutes"""
    seed: int = 0
    """of the operator and the world"""
    world: str = "dual_arm_box"
    """which world"""
    haptics: bool = True
    """forces are reflected to the leader arms; --no-haptics is the condition without (kappa = 0)"""
    manner: str = "person"
    """how the hand plays: person (varied speed and force, mistakes) or plain (the first operator, unchanged)"""
    camera: bool = False
    """record the top camera too (several times slower)"""
    json: str | None = None
    """write the result as JSON to this path, - for standard output"""


def run(arguments: list[str]) -> int:
    """Play; Ctrl+C stops it and keeps what is recorded."""
    options = parse_arguments(PlayArguments, arguments, "main.py play")
    from studio.workers.run_play import PlayConfig, generate_play

    config = PlayConfig(
        out=str(options.out),
        minutes=options.minutes,
        seed=options.seed,
        world=options.world,
        camera=options.camera,
        haptics=options.haptics,
        manner=options.manner,
    )
    bar = ProgressBar("play", config.minutes * 60, quiet=options.json == "-")
    asked: list[int] = []

    def on_signal(number: int, frame: FrameType | None) -> None:
        del frame
        asked.append(number)

    before = {number: signal.signal(number, on_signal) for number in (signal.SIGINT, signal.SIGTERM)}
    try:
        result = generate_play(config, lambda share: bar.update(share * config.minutes * 60), lambda: bool(asked))
    finally:
        bar.close()
        for number, handler in before.items():
            signal.signal(number, handler)
    write_result(result, options.json, text=_summary(result))
    return 0


def _summary(result: dict[str, Any]) -> str:
    faces = " ".join(f"{s:.0f}" for s in result["up_face_s"])
    return (
        f"{result['sim_s'] / 60:.1f} min of play in {result['wall_s']:.0f} s "
        f"({result['realtime_factor']:.1f} times real time), "
        f"{result['episodes']} episodes -> {result['dataset']}\n"
        f"contact {100 * result['contact_share']:.0f} %, {result['flips']} flips ({result['flips_per_min']:.1f}/min), "
        f"{result['xy_cells_visited']} cells, each face up for {faces} s, put back {result['put_backs']} times"
        + ("\nstopped early; what is recorded is kept" if result["stopped"] else "")
    )
