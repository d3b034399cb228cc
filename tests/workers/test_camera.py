"""The camera worker with its own mirror of the scene: preview, packets, and a recording of both."""

from __future__ import annotations

from pathlib import Path

import numpy as np

from studio.data.camera_stream import PacketReader, image_stream, packet_stream
from studio.data.video import VideoDecoder, VideoPacket
from studio.ipc.messages import Message
from studio.ipc.ring import RingReader
from studio.robot.description import load_robot
from tests.patience import wait_for_it
from tests.workers.test_recorder import Session


def _film(session: Session, packets: PacketReader, count: int) -> list[VideoPacket]:
    """Feed the session until so many pictures have come."""
    found: list[VideoPacket] = []
    while len(found) < count:
        session.feed(0.1)
        found += packets.read()
    return found


def test_pictures_show_the_scene_and_carry_the_time_of_the_state(tmp_path: Path) -> None:
    session = Session(tmp_path)
    try:
        session.robot_pose = np.asarray(load_robot().home_rad)
        session.supervisor.start("camera", "studio.workers.camera", {"rate_hz": 20.0})
        assert session.wait_for("ready").values["camera"] == "top"
        session.feed(0.6)
        packets_path = session.folder.ring_path(packet_stream("top"))
        wait_for_it(packets_path.exists, "the packet ring", turn=lambda: session.feed(0.1))
        packets, preview = PacketReader(packets_path), RingReader(session.folder.ring_path(image_stream("top")))
        found = _film(session, packets, 8)
        session.object_m = (0.08, 0.1, 0.05)
        found += _film(session, packets, 8)
        latest = preview.latest()
        assert latest is not None and packets.dropped == 0
        assert found[0].keyframe
        times_s = [packet.t_ns * 1e-9 for packet in found]
        assert len(found) - 1 <= 20.0 * (times_s[-1] - times_s[0]) + 2
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


def test_tags_say_where_the_box_is_once_they_are_asked_for(tmp_path: Path) -> None:
    session = Session(tmp_path)
    try:
        session.robot_pose = np.asarray(load_robot().home_rad)
        session.object_m = (0.08, 0.1, 0.05)
        session.supervisor.start("camera", "studio.workers.camera", {"rate_hz": 20.0})
        session.wait_for("ready")
        path = session.folder.ring_path("object_pose.tags")
        wait_for_it(session.folder.ring_path(image_stream("top")).exists, "pictures", turn=lambda: session.feed(0.1))
        assert not path.exists()  # nobody has asked
        session.supervisor.send("camera", Message(name="tags", values={"on": True}))
        wait_for_it(path.exists, "the ring of poses", turn=lambda: session.feed(0.1))
        poses = RingReader(path)
        wait_for_it(lambda: poses.latest() is not None, "a pose", turn=lambda: session.feed(0.1))
        found = poses.latest()
        assert found is not None
        assert np.linalg.norm(found["position_m"] - np.array(session.object_m)) < 0.004
        assert session.first_ns <= int(found["t_ns"]) <= session.last_ns and found["age_s"] > 0.0
        poses.close()
        session.supervisor.stop("camera")
        session.wait_for("ended")
    finally:
        session.close()
