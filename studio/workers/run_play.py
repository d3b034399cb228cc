"""Simulated haptic play as a job: `python -m studio.workers.run_play RUN_DIR`, or `generate_play` in this process.

The scripted operator plays through the same control loop, twins and bytes as in real time, on the stepped clock.
"""

from __future__ import annotations

import gc
import signal
import sys
import time
import traceback
from collections.abc import Callable
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import numpy as np

from studio.control.stream import TRUTH_EVERY
from studio.core.clock import NS_PER_S, SteppedClock
from studio.core.config import check_range, make_config
from studio.core.errors import ConfigError, StudioError
from studio.core.protocols import OperatorIntent, OperatorView
from studio.core.task import Task, load_task
from studio.data.dataset import Dataset
from studio.data.sink import EpisodeSink
from studio.data.video_encoder import FrameEncoder
from studio.evaluation.play_report import HAND_EVERY, PlayReport, measure_play
from studio.jobs.run import RunWriter
from studio.robot.description import Robot, load_robot
from studio.robot.kinematics import Kinematics
from studio.sim.camera import SimulatedCamera
from studio.sim.operator.mix import MANNERS
from studio.sim.operator.player import ScriptedOperator
from studio.workers.calibration import describe_calibration
from studio.workers.rig import Simulation, make_simulation

WORLDS = ("dual_arm_box",)
_LOOK_EVERY = 2 * TRUTH_EVERY  # ticks between samples of the report (50 Hz)
_HAND_EVERY = 4  # ticks between two targets of a hand: 100 Hz, as a device in a real hand would give them
_TELL_EVERY = 400


@dataclass(frozen=True, kw_only=True)
class PlayConfig:
    """What to play.

    Args:
        out: dataset folder; a session is added to it.
        minutes: simulated time.
        seed: of the operator and the world.
        world: which world.
        camera: record the top camera as well (much slower).
        haptics: the followers' forces reach the leader arms and so the hands; without, the hands go where they will
            (kappa = 0, spec/methods-papers.md 1b).
        manner: how the scripted hand plays: `person`, or `plain`, which never varies and never errs.
        robot: which robot.
        task: where the box may be.
    """

    out: str
    minutes: float = 30.0
    seed: int = 0
    world: str = "dual_arm_box"
    camera: bool = False
    haptics: bool = True
    manner: str = "person"
    robot: str = "dual_arm_ak60"
    task: str = "move_box"

    def __post_init__(self) -> None:
        check_range("play", "minutes", self.minutes, 0.05, 24 * 60, " min")
        check_range("play", "seed", self.seed, 0, 2**31 - 1)
        if self.manner not in MANNERS:
            raise ConfigError(f"play.manner is {self.manner!r}; allowed: {', '.join(MANNERS)}. Change the setting.")
        if self.world not in WORLDS:
            raise ConfigError(f"play.world is {self.world!r}; allowed: {', '.join(WORLDS)}. Change the setting.")


class _Camera:
    """The simulated camera at its own rate, encoded into the episode."""

    def __init__(self, robot: Robot, simulation: Simulation, sink: EpisodeSink) -> None:
        self._camera = SimulatedCamera(robot, simulation.clock)
        self._simulation, self._sink = simulation, sink
        place = self._camera.place
        self._encoder = FrameEncoder(place.width_px, place.height_px, self._camera.rate_hz)
        sink.declare_camera(
            self._camera.name, width_px=place.width_px, height_px=place.height_px, rate_hz=self._camera.rate_hz
        )
        self._period_ns = NS_PER_S / self._camera.rate_hz
        self._due_ns = -1.0

    def update(self, t_ns: int) -> None:
        if t_ns < self._due_ns:
            return
        self._due_ns = (t_ns if self._due_ns < 0 else self._due_ns) + self._period_ns
        control, pose = self._simulation.loop.record[0], self._simulation.loop.pose_record[0]
        self._camera.pose(control["follower_position_rad"], pose["position_m"], pose["orientation_xyzw"], t_ns)
        t_ns, image = self._camera.grab()
        for packet in self._encoder.encode(t_ns, t_ns, image):
            self._sink.write_frame(self._camera.name, packet.t_ns, packet.receive_t_ns, packet.data, packet.keyframe)

    def close(self) -> None:
        self._camera.close()


class _Coverage:
    """Samples for the report, taken from the simulator, so that it does not depend on the force estimate."""

    def __init__(self, simulation: Simulation, ticks: int, pairs: int) -> None:
        count = ticks // _LOOK_EVERY + 1
        pose, truth = simulation.loop.pose_record[0], simulation.loop.truth_record[0]
        self._t_ns, self._force_n = simulation.loop.pose_record["t_ns"], truth["contact_force_n"]
        self._position_m, self._orientation_xyzw = pose["position_m"], pose["orientation_xyzw"]
        self._joints_rad = simulation.loop.record["follower_position_rad"][0]
        self._kinematics = Kinematics(simulation.loop.robot)
        self._t_s, self._position = np.zeros(count), np.zeros((count, 3))
        self._orientation, self._force = np.zeros((count, 4)), np.zeros((count, pairs, 3))
        self._joints = np.zeros((count, len(self._joints_rad)))
        self.count = 0

    def look(self) -> None:
        i = self.count
        self._t_s[i] = self._t_ns[0] * 1e-9
        self._position[i], self._orientation[i] = self._position_m, self._orientation_xyzw
        self._force[i], self._joints[i] = self._force_n, self._joints_rad
        self.count += 1

    def measure(self, task: Task) -> PlayReport:
        n = self.count
        tips = np.array([self._kinematics.tip_positions(q) for q in self._joints[:n:HAND_EVERY]])
        return measure_play(
            task, self._t_s[:n], self._position[:n], self._orientation[:n], self._force[:n], tips_m=tips
        )


class Play:
    """One run of scripted play into a dataset."""

    def __init__(self, config: PlayConfig) -> None:
        self.config = config
        self.task, robot = load_task(config.task), load_robot(config.robot)
        self._ticks = round(config.minutes * 60 * robot.loop_rate_hz)
        clock = SteppedClock()
        self._links = _SinkLink()
        self._simulation = make_simulation(robot, self.task, config.seed, self._links, clock)
        loop = self._simulation.loop
        if not config.haptics:
            self._simulation.inputs.leader_share = 0.0
        settings = {"source": "play", **asdict(config), "robot_name": robot.name, "rate_hz": robot.loop_rate_hz}
        settings["calibration"] = describe_calibration(config.robot)
        dataset = Dataset.create(Path(config.out), robot=robot.name, task=config.task)
        self._sink = EpisodeSink(dataset, loop.streams, config=settings)
        self._links.sink = self._sink
        self._camera = _Camera(robot, self._simulation, self._sink) if config.camera else None
        self._operator = ScriptedOperator(robot, self.task, config.seed, MANNERS[config.manner])
        self._coverage = _Coverage(self._simulation, self._ticks, robot.pairs)
        self._hands = _Hands(self._simulation, Kinematics(robot))

    def run(self, tell: Callable[[float], None], asked: Callable[[], bool]) -> dict[str, Any]:
        """Play to the end or until `asked`; returns the fields of the command line's JSON."""
        began_s, cpu_s = time.perf_counter(), time.process_time()
        self._simulation.engage()
        gc.collect()
        gc.freeze()
        gc.disable()  # nothing in a tick makes cycles; those of the rest are found once a simulated second
        stopped = False
        try:
            for tick in range(self._simulation.loop.tick_count, self._ticks):
                self._tick(tick)
                if tick % _TELL_EVERY == 0:
                    gc.collect(1)
                    tell(tick / self._ticks)
                    if asked():
                        stopped = True
                        break
        finally:
            gc.enable()
            gc.unfreeze()
            episodes = self._sink.close()
        wall_s = time.perf_counter() - began_s
        return self._result(len(episodes), wall_s, time.process_time() - cpu_s, stopped)

    def _tick(self, tick: int) -> None:
        simulation = self._simulation
        self._hands.update(self._operator)
        simulation.tick()
        if tick % _LOOK_EVERY == 0:
            self._coverage.look()
        if self._camera is not None:
            self._camera.update(int(simulation.loop.record["t_ns"][0]))

    def _result(self, episodes: int, wall_s: float, cpu_s: float, stopped: bool) -> dict[str, Any]:
        report = self._coverage.measure(self.task)
        return {
            "dataset": self.config.out,
            "episodes": episodes,
            **report.to_json(),
            "wall_s": round(wall_s, 2),
            "cpu_s": round(cpu_s, 2),
            "realtime_factor": round(report.sim_s / max(wall_s, 1e-9), 2),
            "put_backs": self._simulation.loop.reset_count,
            "primitives": dict(sorted(self._operator.counts.items())),
            "seed": self.config.seed,
            "camera": self.config.camera,
            "haptics": self.config.haptics,
            "manner": self.config.manner,
            "stopped": stopped,
        }

    def close(self) -> None:
        if self._camera is not None:
            self._camera.close()
        self._simulation.close()


class _SinkLink:
    """The sink is made from the loop's streams, and the loop wants a sink: this joins the two."""

    sink: EpisodeSink

    def write(self, stream: str, record: np.ndarray) -> None:
        self.sink.write(stream, record)


class _Hands:
    """Lets an operator see the last tick and write the next tick's inputs."""

    def __init__(self, simulation: Simulation, kinematics: Kinematics) -> None:
        self._simulation, self._kinematics, self._ticks = simulation, kinematics, 0
        robot = simulation.loop.robot
        self._intent = OperatorIntent(np.zeros((robot.pairs, 3)), np.zeros(robot.pairs, dtype=bool))
        self._t_ns = simulation.loop.record["t_ns"]
        control, pose = simulation.loop.record[0], simulation.loop.pose_record[0]
        self._view = OperatorView(
            t_ns=0,
            leader_position_rad=control["leader_position_rad"],
            follower_position_rad=control["follower_position_rad"],
            tip_position_m=np.zeros((robot.pairs, 3)),
            contact_force_n=control["contact_force_n"],
            object_position_m=pose["position_m"],
            object_orientation_xyzw=pose["orientation_xyzw"],
            pair_state=control["pair_state"],
        )
        simulation.inputs.hand_target_m = self._intent.hand_target_m

    def update(self, operator: ScriptedOperator) -> None:
        view, intent, inputs = self._view, self._intent, self._simulation.inputs
        view.t_ns = int(self._t_ns[0])
        if self._ticks % _LOOK_EVERY == 0:  # the scripted hand needs the tips only when it takes hold
            view.tip_position_m = self._kinematics.tip_positions(view.follower_position_rad)
        operator.update(view, intent)
        inputs.hand_active[:] = intent.hand_active
        if self._ticks % _HAND_EVERY == 0:
            inputs.hand_count += 1
        self._ticks += 1
        inputs.dead_man = intent.dead_man
        if intent.put_object_back:
            self._simulation.loop.put_object_back()


def generate_play(
    config: PlayConfig, tell: Callable[[float], None] = lambda _: None, asked: Callable[[], bool] = lambda: False
) -> dict[str, Any]:
    """Play and record.

    Args:
        config: what to play.
        tell: called about once a simulated second with the share done.
        asked: True ends the play early; what is done is kept.
    """
    play = Play(config)
    try:
        return play.run(tell, asked)
    finally:
        play.close()


def _run(writer: RunWriter) -> None:
    config = make_config(PlayConfig, writer.run.spec, where="play")
    began_s = time.monotonic()
    seconds = round(config.minutes * 60)
    writer.update(state="running", stage="play", step=0, steps=seconds, message="Playing")

    def tell(share: float) -> None:
        wall_s = time.monotonic() - began_s
        left_s = wall_s / share * (1 - share) if share > 0.02 else None
        range_s = None if left_s is None else (0.85 * left_s, 1.2 * left_s)
        writer.update(step=round(share * seconds), wall_s=round(wall_s, 1), time_left_s=range_s)

    result = generate_play(config, tell, lambda: writer.asked() == "cancel")
    writer.finish(result)
    minutes, contact = result["sim_s"] / 60, 100 * result["contact_share"]
    said = f"{minutes:.1f} min of play, {result['flips']} flips, contact {contact:.0f} %"
    state = "cancelled" if result["stopped"] else "done"
    writer.update(state=state, step=round(result["sim_s"]), message=said, time_left_s=None)


def _fail(writer: RunWriter, message: str, detail: str, exit_code: int) -> None:
    writer.update(state="failed", message=message, detail=detail, time_left_s=None, exit_code=exit_code)


def main(arguments: list[str] | None = None) -> int:
    """Run to the end; every error becomes the run's message."""
    words = sys.argv[1:] if arguments is None else arguments
    if len(words) != 1:
        print("usage: python -m studio.workers.run_play RUN_DIR", file=sys.stderr)
        return 2
    writer = RunWriter(Path(words[0]))
    for number in (signal.SIGTERM, signal.SIGINT):
        signal.signal(number, lambda *_: writer.run.cancel())
    try:
        _run(writer)
        return 0
    except StudioError as error:
        _fail(writer, str(error), error.detail, error.exit_code)
        return error.exit_code
    except Exception as error:  # noqa: BLE001 - worker main: whatever it is must reach the window as a sentence
        _fail(writer, f"The play stopped because of a defect: {error!r}.", traceback.format_exc(), 1)
        return 1
    finally:
        writer.close()


if __name__ == "__main__":
    raise SystemExit(main())
