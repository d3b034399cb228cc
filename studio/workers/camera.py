"""A camera worker: one device; pictures to a preview ring, H.264 packets to the recorder's ring.

The simulated camera is posed from the session's rings (control and the world's object pose). Config: `CameraConfig`.
"""

from __future__ import annotations

import gc
import time
from collections.abc import Callable
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np

from studio.core.clock import WallClock
from studio.core.config import check_range, make_config
from studio.core.errors import StudioError
from studio.core.protocols import Camera
from studio.data.camera_stream import PacketWriter, image_stream, make_image_record, packet_stream
from studio.data.video_encoder import FrameEncoder
from studio.ipc.messages import Message
from studio.ipc.ring import RingWriter
from studio.ipc.worker_link import WorkerLink, run_worker
from studio.workers.priority import obtain_niceness
from studio.workers.tap import Tap

if TYPE_CHECKING:
    from studio.perception.tags import TagTracker
    from studio.robot.description import Robot
    from studio.workers.picture_pose import PictureReader
    from studio.workers.tag_pose import TagPublisher

CAMERA_NICE = 5  # drawing a picture must not delay a plan where there are few cores
_PREVIEW_SECONDS = 0.5
_REPORT_S = 1.0
_IDLE_S = 0.1


@dataclass(frozen=True, kw_only=True)
class CameraConfig:
    """Settings of a simulated camera.

    Args:
        robot: whose arms are drawn.
        rate_hz: pictures per second.
        stale_s: without a newer pose for this long, no pictures are taken.
        tags: also look for the object's tags and publish `object_pose.tags`; the message `tags {on}` changes it.
    """

    robot: str = "dual_arm_ak60"
    rate_hz: float = 30.0
    stale_s: float = 1.0
    tags: bool = False

    def __post_init__(self) -> None:
        check_range("camera", "rate_hz", self.rate_hz, 1.0, 120.0, " Hz")
        check_range("camera", "stale_s", self.stale_s, 0.05, 60.0, " s")


class MirrorPose:
    """Poses the simulated camera's mirror from the newest records of the session."""

    def __init__(self, link: WorkerLink, camera: Any, stale_s: float) -> None:
        self._control = Tap(link.session.ring_path("control"))
        self._pose = Tap(link.session.ring_path("object_pose.world"))
        self._camera, self._stale_ns = camera, stale_s * 1e9
        self._last_t_ns = -1
        self.reset_count = 0

    def update(self) -> bool:
        """Pose the mirror; False while there is nothing new to take a picture of."""
        control, pose = self._control.read(), self._pose.read()
        if control is None or pose is None:
            return False
        t_ns = int(control["t_ns"])
        if t_ns == self._last_t_ns or time.monotonic_ns() - t_ns > self._stale_ns:
            return False
        self._last_t_ns, self.reset_count = t_ns, int(pose["reset_count"])
        self._camera.pose(control["follower_position_rad"], pose["position_m"], pose["orientation_xyzw"], t_ns)
        return True

    def close(self) -> None:
        self._control.close()
        self._pose.close()


class AnyMoment:
    """For a real camera: there is always something new to take a picture of."""

    reset_count = 0

    def update(self) -> bool:
        return True

    def close(self) -> None:
        """Nothing is open."""


class FramePublisher:
    """Encodes pictures of a camera and puts them into its two rings."""

    def __init__(self, link: WorkerLink, name: str, image: np.ndarray, rate_hz: float) -> None:
        height_px, width_px = image.shape[:2]
        kind = make_image_record(name, width_px=width_px, height_px=height_px, rate_hz=rate_hz)
        self._preview = RingWriter(link.session.ring_path(image_stream(name)), kind, seconds=_PREVIEW_SECONDS)
        self._packets = PacketWriter(
            link.session.ring_path(packet_stream(name)), name, width_px=width_px, height_px=height_px, rate_hz=rate_hz
        )
        self._encoder = FrameEncoder(width_px, height_px, rate_hz)
        self._record = kind.empty()
        self.frames = self._packets_written = 0

    def publish(self, t_ns: int, image: np.ndarray) -> None:
        self._record["t_ns"], self._record["frame"], self._record["image"] = t_ns, self.frames, image
        self._preview.write(self._record)
        self.frames += 1
        for packet in self._encoder.encode(t_ns, time.monotonic_ns(), image):
            self._packets.write(self._packets_written, packet)
            self._packets_written += 1

    def close(self) -> None:
        self._preview.close()
        self._packets.close()


class CameraLoop:
    """Grabs at the camera's rate until the session ends; late pictures are skipped, never queued."""

    def __init__(
        self,
        link: WorkerLink,
        camera: Camera,
        pose: MirrorPose | AnyMoment,
        rate_hz: float,
        make_tags: Callable[[], TagPublisher],
        pictures: PictureReader,
        *,
        find_tags: bool = False,
    ) -> None:
        self._link, self._camera, self._pose, self._rate_hz = link, camera, pose, rate_hz
        self._make_tags, self._find_tags, self._pictures = make_tags, find_tags, pictures
        self._tags: TagPublisher | None = None
        self._publisher: FramePublisher | None = None
        self._reported_s, self._reported_frames = time.monotonic(), 0

    def run(self) -> None:
        self._link.send(Message(name="ready", values={"camera": self._camera.name}))
        self._find_tags = self._find_tags and self._may_find_tags()
        gc.freeze()
        period_s = 1.0 / self._rate_hz
        due_s = time.monotonic()
        while not self._link.ending:
            for message in self._link.wait(max(0.0, due_s - time.monotonic())):
                if message.name == "tags":
                    self._find_tags = bool(message.values.get("on", True)) and self._may_find_tags()
                elif message.name == "read_picture":
                    self._link.send(self._pictures.answer(message.values))
            if time.monotonic() < due_s:
                continue  # a message came early
            took_one = self._take_picture()
            now_s = time.monotonic()
            due_s = max(due_s + (period_s if took_one else _IDLE_S), now_s)
            self._report(now_s)

    def _take_picture(self) -> bool:
        if not self._pose.update():
            return False
        t_ns, image = self._camera.grab()
        if self._publisher is None:
            self._publisher = FramePublisher(self._link, self._camera.name, image, self._rate_hz)
        self._publisher.publish(t_ns, image)
        if self._find_tags and self._tags is not None:
            self._tags.publish(t_ns, image, time.monotonic_ns(), self._pose.reset_count)
        return True

    def _may_find_tags(self) -> bool:
        """False, and said why, for a camera of which nobody knows how or where it looks."""
        try:
            self._tags = self._tags or self._make_tags()
        except StudioError as error:
            self._link.say("error", str(error))
            self._link.send(Message(name="tags_refused", values={"text": str(error)}))
        return self._tags is not None

    def _report(self, now_s: float) -> None:
        span_s = now_s - self._reported_s
        if span_s < _REPORT_S:
            return
        frames = self._publisher.frames if self._publisher else 0
        rate_hz = (frames - self._reported_frames) / span_s
        self._reported_s, self._reported_frames = now_s, frames
        self._link.send(Message(name="state", values=self._state(rate_hz, frames)))

    def _state(self, rate_hz: float, frames: int) -> dict[str, Any]:
        seen = {"tag_pictures": self._tags.pictures, "tags_found": self._tags.found} if self._tags else {}
        return {"rate_hz": round(rate_hz, 1), "frames": frames, **seen}

    def close(self) -> None:
        if self._publisher is not None:
            self._publisher.close()
        if self._tags is not None:
            self._tags.close()


Opened = tuple[Camera, "MirrorPose | AnyMoment", tuple[int, int], "Callable[[], TagTracker]"]


def _open_simulated(robot: Robot, link: WorkerLink, config: CameraConfig) -> Opened:
    """The mirror of the scene. Its calibration is the renderer's, which says nothing of real arms."""
    from studio.sim.camera import SimulatedCamera
    from studio.workers.tag_pose import make_real_tracker, make_tag_tracker

    camera = SimulatedCamera(robot, WallClock())
    pose, size_px = MirrorPose(link, camera, config.stale_s), (camera.place.width_px, camera.place.height_px)
    return camera, pose, size_px, lambda: make_real_tracker(robot) if robot.buses else make_tag_tracker(camera)


def _open_real(robot: Robot) -> Opened | None:
    """The camera that the robot's file names; None where it names none."""
    wiring = robot.camera
    if wiring is None:
        return None
    from hw_drivers.cameras.video_camera import VideoCamera
    from studio.workers.tag_pose import make_real_tracker

    camera = VideoCamera(
        wiring.name, wiring.device, width_px=wiring.width_px, height_px=wiring.height_px, rate_hz=wiring.rate_hz
    )
    return camera, AnyMoment(), camera.size_px, lambda: make_real_tracker(robot, camera.size_px)


def run_camera(link: WorkerLink) -> None:
    """The worker's body: the robot's own camera, or the simulated one, posed from the rings."""
    from studio.robot.description import load_robot
    from studio.workers.picture_pose import PictureReader
    from studio.workers.tag_pose import TagPublisher

    obtain_niceness(CAMERA_NICE)
    config = make_config(CameraConfig, link.config, where="camera")
    robot = load_robot(config.robot)
    camera, pose, (width_px, height_px), make_tracker = _open_real(robot) or _open_simulated(robot, link, config)
    pictures = PictureReader(make_tracker, width_px=width_px, height_px=height_px, camera=camera.name)
    loop = CameraLoop(
        link,
        camera,
        pose,
        camera.rate_hz if isinstance(pose, AnyMoment) else config.rate_hz,
        lambda: TagPublisher(link.session, make_tracker(), config.rate_hz),
        pictures,
        find_tags=config.tags or isinstance(pose, AnyMoment),
    )
    try:
        loop.run()
    finally:
        loop.close()
        pose.close()
        camera.close()


if __name__ == "__main__":
    run_worker(run_camera)
