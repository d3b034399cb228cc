"""The camera worker with its own mirror of the scene: preview, packets, and a recording of both."""

from __future__ import annotations

import time
from pathlib import Path

import numpy as np

from studio.data.camera_stream import PacketReader, image_stream, packet_stream
from studio.data.video import VideoDecoder
from studio.ipc.ring import RingReader
from studio.robot.description import load_robot
from tests.workers.test_recorder import Session


def _wait(path: Path) -> None:
    deadline_s = time.monotonic() + 20
    while not path.exists():
        assert time.monotonic() < deadline_s, f"{path.name} did not appear"
        time.sleep(0.02)


def test_pictures_show_the_scene_and_carry_the_time_of_the_state(tmp_path: Path) -> None:
    session = Session(tmp_path)
    try:
        session.robot_pose = np.asarray(load_robot().home_rad)
        session.supervisor.start("camera", "studio.workers.camera", {"rate_hz": 20.0})
        assert session.wait_for("ready").values["camera"] == "top"
        session.feed(0.6)
        packets_path = session.folder.ring_path(packet_stream("top"))
        _wait(packets_path)
        packets, preview = PacketReader(packets_path), RingReader(session.folder.ring_path(image_stream("top")))
        session.feed(1.0)
        session.object_m = (0.08, 0.1, 0.05)
        session.feed(1.0)
        found = packets.read()
        latest = preview.latest()
        assert latest is not None and packets.dropped == 0
        assert found[0].keyframe and 8 <= len(found) <= 55
        assert all(session.first_ns <= packet.t_ns <= session.last_ns for packet in found)
        assert all(packet.t_ns < packet.receive_t_ns for packet in found)
        decoder = VideoDecoder(found, "h264", "test")
        first, last = (decoder.picture(i).astype(int) for i in (0, len(found) - 1))
        assert first.shape == latest["image"].shape and first.std() > 10
        assert np.abs(last - latest["image"]).mean() < 12
        assert np.abs(last - first).max() > 60  # the box has moved
        packets.close()
        preview.close()
        session.heard.clear()
        assert session.wait_for("state").values["frames"] > 0
        session.supervisor.stop("camera")
        assert session.wait_for("ended").values["returncode"] == 0
    finally:
        session.close()
