"""Real episodes for tests: written with the studio's own writer, with a camera encoded as H.264."""

from __future__ import annotations

from fractions import Fraction
from functools import cache
from pathlib import Path

import av
import numpy as np

from studio.core.records import Driver, PairState, make_control_record, make_object_pose_record
from studio.data.annotations import Journal
from studio.data.dataset import Dataset
from studio.data.episode import EpisodeWriter
from studio.data.episode_info import EpisodeInfo
from studio.robot.description import load_robot

CONTROL = make_control_record(joints=8, pairs=2, rate_hz=400.0)
POSE = make_object_pose_record("world", 400.0)
START_NS = 5_000_000_000
FRAME_RATE_HZ = 20


def make_control(seconds: float, contacts_s: tuple[tuple[float, float], ...]) -> np.ndarray:
    """Control records: arms that sway about home; the left hand pushes 6 N and the right 3 N during `contacts_s`."""
    robot = load_robot()
    count = int(seconds * 400)
    records = CONTROL.empty(count)
    t_s = np.arange(count) / 400.0
    records["t_ns"] = START_NS + (t_s * 1e9).astype(np.int64)
    records["tick"] = np.arange(count)
    sway = 0.15 * np.sin(2 * np.pi * 0.5 * t_s)[:, None]
    records["follower_position_rad"] = np.asarray(robot.home_rad) + sway
    records["leader_position_rad"] = np.asarray(robot.home_rad) + sway + 0.02
    records["follower_torque_nm"] = 1.5 * np.sin(2 * np.pi * t_s)[:, None] * np.linspace(0.5, 1.0, 8)
    records["leader_torque_nm"] = 0.8 * records["follower_torque_nm"]
    for start_s, end_s in contacts_s:
        inside = (t_s >= start_s) & (t_s < end_s)
        records["contact_force_n"][inside, 0, 0] = 6.0
        records["contact_force_n"][inside, 1, 0] = -3.0
    records["pair_state"] = int(PairState.ENGAGED)
    records["driver"] = int(Driver.OPERATOR)
    return records


def make_pose(seconds: float) -> np.ndarray:
    """The box slides 8 cm along +x and is turned onto another face half-way."""
    count = int(seconds * 400)
    records = POSE.empty(count)
    t_s = np.arange(count) / 400.0
    records["t_ns"] = START_NS + (t_s * 1e9).astype(np.int64)
    records["position_m"] = np.stack([0.08 * t_s / seconds, 0.02 * np.sin(t_s), np.full(count, 0.05)], axis=-1)
    records["orientation_xyzw"] = (0.0, 0.0, 0.0, 1.0)
    records["orientation_xyzw"][count // 2 :] = (np.sqrt(0.5), 0.0, 0.0, np.sqrt(0.5))
    return records


def frame_pixels(index: int) -> np.ndarray:
    """A picture that tells its number: the red value rises by 10 a frame."""
    pixels = np.full((120, 160, 3), 40, np.uint8)
    pixels[..., 0] = min(250, 20 + 5 * index)
    pixels[20:60, 30:90, 1] = 200
    return pixels


@cache
def encode_frames(seconds: float) -> tuple[tuple[int, bytes, bool], ...]:
    """H.264 pictures: index, bytes and whether it is a key frame, every 8; encoding is what takes the time."""
    context = av.CodecContext.create("libx264", "w")
    context.width, context.height, context.pix_fmt = 160, 120, "yuv420p"
    context.time_base, context.framerate = Fraction(1, FRAME_RATE_HZ), Fraction(FRAME_RATE_HZ)
    context.gop_size, context.max_b_frames = 8, 0
    context.options = {"preset": "ultrafast", "tune": "zerolatency", "x264-params": "keyint=8:scenecut=0"}
    packets = []
    for index in range(int(seconds * FRAME_RATE_HZ)):
        frame = av.VideoFrame.from_ndarray(frame_pixels(index), format="rgb24").reformat(format="yuv420p")
        frame.pts, frame.time_base = index, context.time_base
        packets += context.encode(frame)
    packets += context.encode(None)
    return tuple((int(packet.pts), bytes(packet), packet.is_keyframe) for packet in packets)


def write_frames(writer: EpisodeWriter, camera: str, seconds: float) -> None:
    for index, coded, is_key in encode_frames(seconds):
        t_ns = START_NS + index * 1_000_000_000 // FRAME_RATE_HZ
        writer.write_frame(camera, t_ns, t_ns + 4_000_000, coded, is_key)


def write_episode(
    folder: Path,
    *,
    seconds: float = 4.0,
    contacts_s: tuple[tuple[float, float], ...] = ((1.0, 2.0),),
    cameras: tuple[str, ...] = ("top",),
    marks_s: tuple[float, ...] = (),
) -> EpisodeInfo:
    """One whole episode on disk."""
    config = {
        "robot": {"name": "dual_arm_ak60"}, "task": "move_box",
        "cameras": {name: {"width_px": 160, "height_px": 120, "rate_hz": float(FRAME_RATE_HZ)} for name in cameras},
    }  # fmt: skip
    writer = EpisodeWriter(folder, [CONTROL, POSE], config, clock="stepped")
    writer.write("control", make_control(seconds, contacts_s))
    writer.write("object_pose.world", make_pose(seconds))
    for name in cameras:
        write_frames(writer, name, seconds)
    info = writer.close()
    for t_s in marks_s:
        Journal(folder, author="recorder").add("mark", "", START_NS + int(t_s * 1e9))
    return info


def write_dataset(path: Path, count: int, **values: object) -> list[EpisodeInfo]:
    """A dataset with one session of `count` episodes."""
    dataset = Dataset.create(path)
    session = dataset.new_session()
    return [write_episode(dataset.new_episode(session), **values) for _ in range(count)]  # type: ignore[arg-type]
