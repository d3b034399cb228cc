"""The recorder as a real process: rings in, episodes out, whatever happens to it."""

from __future__ import annotations

import itertools
import os
import random
import resource
import signal
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from studio.core.records import make_plan_record
from studio.data.annotations import Journal
from studio.data.camera_stream import PacketWriter, packet_stream
from studio.data.dataset import Dataset
from studio.data.episode import EpisodeReader
from studio.data.episode_info import load_episode_info
from studio.data.repair import repair_dataset
from studio.data.verify import verify_dataset
from studio.data.video_encoder import FrameEncoder
from studio.ipc.messages import Message
from studio.ipc.ring import RingWriter
from studio.ipc.session import SessionFolder
from studio.ipc.supervisor import Supervisor
from tests.data.recordings import CONTROL, PERIOD_NS, POSE, play_records
from tests.patience import PATIENCE_S, kept_waiting_s


class Session:
    """A session with the two rings that a control process writes, fed by hand at 400 Hz."""

    def __init__(self, path: Path, ring_s: float = 8.0) -> None:
        self.folder = SessionFolder(path / "session").create()
        self.supervisor = Supervisor(self.folder)
        self.control = RingWriter(self.folder.ring_path("control"), CONTROL, seconds=ring_s)
        self.pose = RingWriter(self.folder.ring_path("object_pose.world"), POSE, seconds=ring_s)
        self.dataset = Dataset.create(path / "d")
        self.take = self.dataset.new_session()
        self.heard: list[Message] = []
        self.ticks = self.last_ns = 0
        self.late_s = 0.0  # of any record against the clock: the whole machine stood still
        self.resets = self.first_ns = 0
        self.robot_pose = np.zeros(8)
        self.object_m = (0.0, 0.0, 0.05)

    def start_recorder(self, **config: Any) -> None:
        self.supervisor.start("recorder", "studio.workers.recorder", config)
        self.wait_for("ready")

    def record(self) -> Path:
        folder = self.dataset.new_episode(self.take)
        config = {"robot": "dual_arm_ak60", "task": "move_box"}
        self.send("start", folder=str(folder), config=config)
        self.wait_for("state")
        return folder

    def send(self, name: str, **values: Any) -> None:
        self.supervisor.send("recorder", Message(name=name, values=values))

    def press_label(self, text: str, key: int) -> int:
        """When it was pressed."""
        now_ns = time.monotonic_ns()
        self.send("label", text=text, key=key, start_ns=now_ns, end_ns=now_ns)
        return now_ns

    def feed(self, seconds: float, also: Callable[[int], None] | None = None) -> None:
        """Records with real monotonic times, in step with the clock."""
        start_ns = max(time.monotonic_ns(), self.last_ns + PERIOD_NS)
        for index in range(round(seconds * 400)):
            if index % 4 == 0:
                early_s = (start_ns + index * PERIOD_NS - time.monotonic_ns()) / 1e9
                time.sleep(max(0.0, early_s))
                self.late_s = max(self.late_s, -early_s)
            control, pose = play_records(1, start=self.ticks)
            control["t_ns"] = pose["t_ns"] = start_ns + index * PERIOD_NS
            self.last_ns = start_ns + index * PERIOD_NS
            control["reset_count"] = pose["reset_count"] = self.resets
            self.first_ns = self.first_ns or start_ns
            control["follower_position_rad"], pose["position_m"] = self.robot_pose, self.object_m
            pose["orientation_xyzw"] = (0, 0, 0, 1)
            self.control.write(control[0])
            self.pose.write(pose[0])
            if also is not None:
                also(index)
            self.ticks += 1

    def wait_for(self, name: str) -> Message:
        deadline_s = time.monotonic() + PATIENCE_S
        while time.monotonic() < deadline_s:
            for index, message in enumerate(self.heard):
                if message.name == name:
                    return self.heard.pop(index)
            self.heard += [message for _, message in self.supervisor.poll()]
            time.sleep(0.01)
        raise AssertionError(f"no {name}; heard {self.heard}")

    def close(self) -> None:
        self.supervisor.stop_all()
        self.control.close()
        self.pose.close()
        self.folder.remove()


@pytest.fixture
def session(tmp_path: Path) -> Iterator[Session]:
    made = Session(tmp_path)
    yield made
    made.close()


def _read(folder: Path, stream: str) -> np.ndarray:
    reader = EpisodeReader(folder)
    try:
        return reader.read(stream)
    finally:
        reader.close()


def test_everything_between_start_and_stop_is_recorded(session: Session) -> None:
    session.start_recorder()
    session.feed(0.1)  # before the start: not recorded
    first_tick = session.ticks
    folder = session.record()
    session.feed(0.3)
    session.send("mark", label="here")
    session.send("label", text="push", key=2, start_ns=5, end_ns=9)
    lift_ns = session.press_label("lift", 3)
    session.feed(0.01)
    session.press_label("hold", 4)
    plan = make_plan_record(skill_size=4, stages=3, fan=2)
    ring = RingWriter(session.folder.ring_path("plan"), plan)  # a planner that starts later
    session.feed(0.4)
    lift_end_ns = session.press_label("lift", 3)
    record = plan.empty()
    record["plan_id"], record["t_ns"] = 7, time.monotonic_ns()
    ring.write(record)
    session.feed(0.1)
    session.send("stop")
    told = session.wait_for("episode").values
    ring.close()

    control = _read(folder, "control")
    assert control["tick"].tolist() == list(range(first_tick, session.ticks))
    assert len(_read(folder, "object_pose.world")) == len(control)
    assert _read(folder, "plan")["plan_id"].tolist() == [7]
    assert (told["folder"], told["state"], told["dropped"]) == (str(folder), "closed", 0)
    assert told["streams"]["control"]["records"] == len(control) and told["verdict"] == "good"
    calibration = load_episode_info(folder).config["calibration"]
    assert calibration["identity"] == "none"  # twins: nothing measured
    assert calibration["usual_row"]["model"] == "AK60-6"
    items = {(i.kind, i.text): i for i in Journal(folder).items}
    assert set(items) == {("label", "push"), ("mark", "here"), ("label", "lift"), ("label", "hold")}
    assert (items["label", "push"].start_ns, items["label", "push"].end_ns) == (5, 9)
    lift, hold = items["label", "lift"], items["label", "hold"]  # by key: the second press ends one, the stop the other
    assert (lift.start_ns, lift.end_ns) == (lift_ns, lift_end_ns)
    assert hold.end_ns == control["t_ns"][-1] > hold.start_ns
    assert verify_dataset(session.dataset) == []


def test_pictures_start_at_a_key_frame(session: Session) -> None:
    size = {"width_px": 64, "height_px": 64, "rate_hz": 30.0}
    packets = PacketWriter(session.folder.ring_path(packet_stream("top")), "top", **size)  # type: ignore[arg-type]
    encoder = FrameEncoder(64, 64, 30.0)
    generator = np.random.default_rng(0)
    count = 0

    def film(tick: int) -> None:
        nonlocal count
        if tick % 13 == 0:
            image = generator.integers(0, 255, (64, 64, 3), dtype=np.uint8)
            for packet in encoder.encode(time.monotonic_ns(), time.monotonic_ns(), image):
                packets.write(count, packet)
                count += 1

    session.start_recorder()
    session.feed(0.35, film)
    before = count
    folder = session.record()
    session.feed(0.5, film)
    session.send("stop")
    told = session.wait_for("episode").values
    packets.close()
    assert told["cameras"]["top"]["width_px"] == 64 and told["cameras"]["top"]["dropped"] == 0
    assert count - before <= told["cameras"]["top"]["frames"] <= count - before + 8
    reader = EpisodeReader(folder)
    assert reader.frame("top", 0).shape == (64, 64, 3)
    reader.close()
    assert verify_dataset(session.dataset) == []


def test_putting_the_box_back_starts_the_next_episode(session: Session) -> None:
    session.start_recorder()
    session.record()
    session.feed(0.3)
    session.resets = 1
    session.feed(0.3)
    first = session.wait_for("episode").values
    session.send("stop")
    second = session.wait_for("episode").values
    assert (first["close_reason"], second["close_reason"]) == ("the box was put back", "stopped")
    assert [e.id[-1] for e in session.dataset.episodes()] == ["1", "2"]
    for number, info in enumerate(session.dataset.episodes()):
        for stream in ("control", "object_pose.world"):
            assert set(_read(info.path, stream)["reset_count"].tolist()) == {number}
    assert sum(e.streams["control"].records for e in session.dataset.episodes()) == 240


def test_a_recorder_that_is_held_up_counts_what_it_missed(tmp_path: Path) -> None:
    session = Session(tmp_path, ring_s=0.3)
    try:
        session.start_recorder()
        folder = session.record()
        session.feed(0.3)
        os.kill(session.supervisor.pid("recorder"), signal.SIGSTOP)
        session.feed(0.8)
        os.kill(session.supervisor.pid("recorder"), signal.SIGCONT)
        session.feed(0.1)
        session.send("stop")
        told = session.wait_for("episode").values
        control = _read(folder, "control")
        assert told["streams"]["control"]["dropped"] == 480 - len(control) > 100
        assert told["verdict"] == "poor" and "dropped" in told["verdict_reason"]
    finally:
        session.close()


def test_ten_kills_lose_at_most_half_a_second_each(session: Session) -> None:
    generator = random.Random(11)
    for _ in range(10):
        session.start_recorder()
        first_tick = session.ticks
        folder = session.record()
        recorder, session.late_s = session.supervisor.pid("recorder"), 0.0
        waited_s = kept_waiting_s(recorder, os.getpid())
        session.feed(generator.uniform(0.3, 1.1))
        waited_s = kept_waiting_s(recorder, os.getpid()) - waited_s + session.late_s
        os.kill(recorder, signal.SIGKILL)
        ended = session.wait_for("ended").values
        assert ended["returncode"] == -signal.SIGKILL
        session.heard.clear()
        report = repair_dataset(session.dataset)
        assert [r.id for r in report.repaired] == [f"session_0001/{folder.name}"] and report.problems == ()
        for stream in ("control", "object_pose.world"):
            records = _read(folder, stream)
            assert (session.ticks - first_tick - len(records)) / 400 <= 0.5 + waited_s
        ticks = _read(folder, "control")["tick"]
        assert ticks.tolist() == list(range(first_tick, first_tick + len(ticks)))
    assert verify_dataset(session.dataset) == []


def test_a_full_disk_ends_the_take_and_says_so(session: Session) -> None:
    session.start_recorder()
    folder = session.record()
    session.feed(0.4)
    limit = (folder / "control.mcap").stat().st_size + 3000  # the kernel then refuses to write, as on a full disk
    resource.prlimit(session.supervisor.pid("recorder"), resource.RLIMIT_FSIZE, (limit, -1))
    session.feed(0.5)
    said = session.wait_for("said").values
    assert said["level"] == "error" and "disk is full" in said["text"]
    told = session.wait_for("episode").values
    assert told["close_reason"] == "disk full"
    control = _read(folder, "control")
    assert 40 < len(control) == told["streams"]["control"]["records"]
    resource.prlimit(session.supervisor.pid("recorder"), resource.RLIMIT_FSIZE, (-1, -1))
    session.heard.clear()
    session.record()  # the recorder lives and records again
    session.feed(0.1)
    session.send("stop")
    assert session.wait_for("episode").values["close_reason"] == "stopped"
    assert verify_dataset(session.dataset) == []


def test_too_little_room_refuses_to_start(session: Session) -> None:
    session.start_recorder(minimum_free_bytes=1 << 60)
    session.send("start", folder=str(session.dataset.new_episode(session.take)), config={})
    said = session.wait_for("said").values["text"]
    assert "nearly full" in said and "did not start" in said
    assert session.supervisor.alive("recorder")


def test_wrong_requests_are_answered_with_a_sentence(session: Session) -> None:
    session.start_recorder()
    session.send("stop")
    session.send("mark", label="x")
    session.send("start")
    assert "lacks 'folder'" in session.wait_for("said").values["text"]
    folder = session.record()
    session.send("start", folder=str(folder), config={})
    assert "still being recorded" in session.wait_for("said").values["text"]
    session.supervisor.request_stop("recorder")  # the session ends while recording: the episode is closed
    told = session.wait_for("episode").values
    assert told["close_reason"] == "session ended" and told["state"] == "closed"


def test_a_take_is_split_by_time_and_nothing_is_lost_between(session: Session) -> None:
    session.start_recorder()
    first = session.dataset.new_episode(session.take)
    session.send("start", folder=str(first), config={"robot": "dual_arm_ak60", "task": "move_box"}, split_s=0.5)
    session.wait_for("state")
    session.feed(1.3)
    session.send("stop")
    folders = [Path(str(session.wait_for("episode").values["folder"])) for _ in range(3)]
    assert folders[0] == first and len(set(folders)) == 3
    ticks = [_read(folder, "control")["t_ns"] for folder in folders]
    assert all(b[0] - a[-1] == PERIOD_NS for a, b in itertools.pairwise(ticks)), "no tick is lost or twice"
    assert (ticks[0][-1] - ticks[0][0]) / 1e9 == pytest.approx(0.5, abs=0.01)
