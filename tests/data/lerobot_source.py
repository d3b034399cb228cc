"""A small LeRobot v2.1 dataset made by the test itself."""

from __future__ import annotations

import json
from fractions import Fraction
from pathlib import Path

import av
import numpy as np
import pyarrow as pa
import pyarrow.parquet as parquet

FPS, WIDTH, HEIGHT = 30, 64, 48
KEY = "observation.images.cam_high"


def picture(index: int) -> np.ndarray:
    image = np.full((HEIGHT, WIDTH, 3), 30, dtype=np.uint8)
    image[:, index % 8 * 8 : index % 8 * 8 + 8] = 220
    return image


def write_video(path: Path, frames: int, codec: str) -> None:
    options = {"libx264": {"crf": "18", "bf": "2", "g": "6"}, "libsvtav1": {"crf": "30", "g": "2", "preset": "12"}}
    path.parent.mkdir(parents=True, exist_ok=True)
    with av.open(str(path), "w") as container:
        stream = container.add_stream(codec, rate=FPS, options=options[codec])
        stream.width, stream.height, stream.pix_fmt = WIDTH, HEIGHT, "yuv420p"
        for index in range(frames):
            frame = av.VideoFrame.from_ndarray(picture(index), format="rgb24")
            frame.pts, frame.time_base = index, Fraction(1, FPS)
            container.mux(stream.encode(frame))
        container.mux(stream.encode())


def make_lerobot(root: Path, lengths: tuple[int, ...] = (40, 25), codec: str | None = "libx264") -> list[np.ndarray]:
    """Writes the dataset; returns the states [T, 3] of each episode (actions are twice that)."""
    generator = np.random.default_rng(4)
    vector = {"dtype": "float32", "shape": [3], "names": [["hip", "knee", "toe"]]}
    features = {"observation.state": vector, "action": vector, "task": {"dtype": "string", "shape": [1], "names": None}}
    for name, kind in (("timestamp", "float32"), ("frame_index", "int64"), ("next.done", "bool")):
        features[name] = {"dtype": kind, "shape": [1], "names": None}
    if codec:
        features[KEY] = {"dtype": "video", "shape": [HEIGHT, WIDTH, 3], "names": ["height", "width", "channel"]}
    info = {
        "codebase_version": "v2.1", "robot_type": "toy_leg", "total_episodes": len(lengths), "fps": FPS,
        "chunks_size": 1000, "features": features,
        "data_path": "data/chunk-{episode_chunk:03d}/episode_{episode_index:06d}.parquet",
        "video_path": "videos/chunk-{episode_chunk:03d}/{video_key}/episode_{episode_index:06d}.mp4",
    }  # fmt: skip
    (root / "meta").mkdir(parents=True)
    (root / "data" / "chunk-000").mkdir(parents=True)
    (root / "meta" / "info.json").write_text(json.dumps(info))
    states = [generator.normal(size=(length, 3)).astype(np.float32) for length in lengths]
    for number, state in enumerate(states):
        _write_table(root / "data" / "chunk-000" / f"episode_{number:06d}.parquet", state)
        if codec:
            write_video(root / "videos" / "chunk-000" / KEY / f"episode_{number:06d}.mp4", len(state), codec)
    return states


def _write_table(path: Path, state: np.ndarray) -> None:
    count = len(state)
    columns = {
        "observation.state": pa.FixedSizeListArray.from_arrays(pa.array(state.reshape(-1)), 3),
        "action": pa.array((2 * state).tolist(), type=pa.list_(pa.float32())),
        "task": pa.array(["walk"] * count),
        "timestamp": pa.array(np.arange(count, dtype=np.float32) / FPS),
        "frame_index": pa.array(np.arange(count)),
        "next.done": pa.array([i == count - 1 for i in range(count)]),
    }
    parquet.write_table(pa.table(columns), path)
