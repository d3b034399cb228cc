"""Import of LeRobot v2.1: one parquet table and one mp4 per episode and camera.

Numbers become one record per frame on the stream `imported` (features `observation.*` are observations, `action*`
actions, the rest labels); video packets are kept as they are, only rewrapped. The result appears whole or not at all.
"""

# pyarrow has no types.
# pyright: reportMissingTypeStubs=false, reportUnknownMemberType=false, reportUnknownVariableType=false
# pyright: reportUnknownArgumentType=false, reportUnknownParameterType=false

from __future__ import annotations

import re
import shutil
import uuid
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.parquet as parquet

from studio.core.errors import ConfigError, DataError
from studio.core.records import Field, RecordType, Role
from studio.data.dataset import IMPORTED_STREAM, Dataset
from studio.data.episode import EpisodeWriter, WriterSettings
from studio.data.episode_info import EpisodeInfo, load_json_object
from studio.data.mp4 import Mp4Info, read_mp4

_DTYPES = {
    "float32": "<f4",
    "float64": "<f8",
    "int64": "<i8",
    "int32": "<i4",
    "int16": "<i2",
    "uint8": "<u1",
    "bool": "<u1",
}
_NOT_NUMBERS = ("video", "image", "string", "language")
_SETTINGS = WriterSettings(fsync_interval_s=None, chunk_bytes=256 << 10, chunk_s=60.0, video_chunk_s=2.0)


@dataclass(frozen=True, kw_only=True)
class ImportResult:
    """What an import made: `streams` and `cameras` by name, `left_out` features that are no numbers."""

    dataset: Dataset
    episodes: int
    total_s: float
    streams: tuple[str, ...]
    cameras: tuple[str, ...]
    left_out: tuple[str, ...]


@dataclass(frozen=True, kw_only=True)
class _Source:
    root: Path
    info: dict[str, Any]
    record_type: RecordType
    columns: dict[str, str]  # field name -> column
    cameras: dict[str, str]  # camera name -> feature
    left_out: tuple[str, ...]

    @property
    def fps(self) -> float:
        return self.record_type.rate_hz

    def table_path(self, episode: int) -> Path:
        return self.root / _format(self.info, "data_path", episode)

    def video_path(self, episode: int, feature: str) -> Path:
        return self.root / _format(self.info, "video_path", episode, feature)


def import_dataset(source: Path | str, out: Path | str) -> ImportResult:
    """Make a dataset at `out` of a LeRobot v2.1 folder.

    Raises:
        ConfigError: `out` is taken, or the version is another one.
        DataError: a missing, empty, truncated or foreign file, a row that is not a number, a video that does not fit.
    """
    found = _open_source(Path(source))
    target = Path(out)
    if target.exists() and (not target.is_dir() or any(target.iterdir())):
        raise ConfigError(f"{target} exists and is not empty. Choose a new folder for the imported dataset.")
    building = target.with_name(f".{target.name}.importing-{uuid.uuid4().hex[:8]}")
    try:
        infos = _import_all(found, building, target.name)
        if target.exists():
            target.rmdir()
        building.rename(target)
    except OSError as error:
        raise DataError(f"{target} cannot be written: {error.strerror or error}. Free some space.") from error
    finally:
        shutil.rmtree(building, ignore_errors=True)
    return ImportResult(
        dataset=Dataset(target), episodes=len(infos), total_s=round(sum(info.duration_s for info in infos), 3),
        streams=(found.record_type.name,), cameras=tuple(found.cameras), left_out=found.left_out,
    )  # fmt: skip


def _import_all(source: _Source, building: Path, name: str) -> list[EpisodeInfo]:
    origin = {"kind": "lerobot", "version": source.info["codebase_version"], "folder": source.root.name}
    dataset = Dataset.create(building, name=name, source=origin)
    session = dataset.new_session()
    count = int(source.info["total_episodes"])
    return [_import_episode(source, number, dataset.new_episode(session)) for number in range(count)]


def _open_source(root: Path) -> _Source:
    path = root / "meta" / "info.json"
    if not root.is_dir():
        raise DataError(f"{root} is not a folder. Give the root of a LeRobot dataset (with `meta/info.json`).")
    if not path.exists():
        raise DataError(f"{root} is not a LeRobot dataset: meta/info.json is missing. Check the path.")
    info = load_json_object(path, "a LeRobot dataset")
    missing = [k for k in ("codebase_version", "fps", "features", "data_path", "total_episodes") if k not in info]
    if missing:
        raise DataError(f"{path} has no {missing[0]!r}; it is not a LeRobot description. Check the download.")
    if str(info["codebase_version"]) not in ("v2.0", "v2.1"):
        raise ConfigError(f"{path}: version is {info['codebase_version']}; this studio imports v2.0 and v2.1. "
                          "Convert it, or wait for the v3 import.")  # fmt: skip
    return _make_source(root, path, info)


def _make_source(root: Path, path: Path, info: dict[str, Any]) -> _Source:
    fps, features = info["fps"], info["features"]
    if not isinstance(fps, (int, float)) or not 0 < fps <= 10_000 or not isinstance(features, dict):
        raise DataError(
            f"{path}: fps is {fps!r} and features is a {type(features).__name__}; a rate above 0 and a table of "
            "features are needed. Check the download."
        )
    columns: dict[str, str] = {}
    fields: list[Field] = []
    for name, feature in features.items():
        if feature.get("dtype") in _DTYPES:
            field = Field(
                name=_field_name(name), shape=_shape(feature), dtype=_DTYPES[feature["dtype"]], role=_role(name)
            )
            fields.append(field)
            columns[field.name] = name
    cameras = {name.rsplit(".", 1)[-1]: name for name, feature in features.items() if feature.get("dtype") == "video"}
    left_out = tuple(n for n, f in features.items() if f.get("dtype") not in _DTYPES and f.get("dtype") != "video")
    if not fields:
        raise DataError(f"{path}: no feature holds numbers ({', '.join(features)}). There is nothing to learn from.")
    return _Source(root=root, info=info, record_type=RecordType(IMPORTED_STREAM, float(fps), tuple(fields)),
                   columns=columns, cameras=cameras, left_out=left_out)  # fmt: skip


def _field_name(feature: str) -> str:
    name = re.sub(r"\W", "_", feature)
    return f"recorded_{name}" if name == "t_ns" or name[0].isdigit() else name


def _shape(feature: Mapping[str, Any]) -> tuple[int, ...]:
    shape = tuple(int(n) for n in feature.get("shape", [1]))
    return () if shape in ((), (1,)) else shape


def _role(feature: str) -> Role:
    if feature.startswith("observation"):
        return Role.OBSERVATION
    return Role.ACTION if feature == "action" or feature.startswith("action.") else Role.LABEL


def _format(info: Mapping[str, Any], key: str, episode: int, feature: str = "") -> Path:
    template = info.get(key)
    if not template:
        raise DataError(f"meta/info.json has no {key}, but a feature needs it. Check the download.")
    chunk = episode // max(1, int(info.get("chunks_size", 1000)))
    try:
        return Path(str(template).format(episode_chunk=chunk, episode_index=episode, video_key=feature))
    except (KeyError, IndexError, ValueError) as error:
        raise DataError(f"meta/info.json: {key} {template!r} has an unknown part ({error}).") from error


def _import_episode(source: _Source, number: int, folder: Path) -> EpisodeInfo:
    records = _records(source, number)
    videos = {name: read_mp4(source.video_path(number, feature)) for name, feature in source.cameras.items()}
    config = {
        "robot": str(source.info.get("robot_type") or ""),
        "source": {"kind": "lerobot", "episode_index": number},
        "names": _entry_names(source),
        "cameras": {name: _camera_facts(source, video) for name, video in videos.items()},
    }
    writer = EpisodeWriter(folder, [source.record_type], config, clock="imported", settings=_SETTINGS)
    writer.write(IMPORTED_STREAM, records)
    for name, video in videos.items():
        for packet in video.packets:
            writer.write_frame(name, packet.t_ns, packet.receive_t_ns, packet.data, packet.keyframe)
        writer.note_dropped(name, max(0, len(records) - len(video.packets)))
    return writer.close("imported")


def _camera_facts(source: _Source, video: Mp4Info) -> dict[str, Any]:
    return {"codec": video.codec, "width_px": video.width_px, "height_px": video.height_px, "rate_hz": source.fps}


def _entry_names(source: _Source) -> dict[str, list[str]]:
    """Names of the entries of each field, where the description gives as many as there are entries."""
    names: dict[str, list[str]] = {}
    for field, column in source.columns.items():
        given = _flatten(source.info["features"][column].get("names"))
        if given and len(given) == int(np.prod(source.record_type.field(field).shape)):
            names[field] = given
    return names


def _flatten(names: Any) -> list[str]:
    if isinstance(names, Mapping):
        names = list(names.values())
    if isinstance(names, list):
        return [text for name in names for text in _flatten(name)]
    return [] if names is None else [str(names)]


def _records(source: _Source, number: int) -> np.ndarray:
    path = source.table_path(number)
    table = _read_table(path)
    missing = [column for column in source.columns.values() if column not in table.column_names]
    if missing:
        raise DataError(f"{path} has no column {missing[0]!r}, which meta/info.json declares. Check the download.")
    records = source.record_type.empty(table.num_rows)
    for field, column in source.columns.items():
        records[field] = _column(table, column, records[field].shape, path)
    records["t_ns"] = _times_ns(records, source.fps, path)
    return records


def _times_ns(records: np.ndarray, fps: float, path: Path) -> np.ndarray:
    """Exact frame times, unless the table's own say that frames are missing (they are float32: too coarse to keep)."""
    grid_s = np.arange(len(records)) / fps
    if "timestamp" in (records.dtype.names or ()) and records["timestamp"].ndim == 1:
        told_s = records["timestamp"].astype(np.float64) - float(records["timestamp"][0])
        if (np.abs(told_s - grid_s) > 0.5 / fps).any():
            if (np.diff(told_s) <= 0).any():
                row = int(np.argmax(np.diff(told_s) <= 0)) + 1
                raise DataError(f"{path}, row {row}: time does not go on. Mend or remove that episode.")
            grid_s = told_s
    return np.round(grid_s * 1e9).astype(np.int64)


def _read_table(path: Path) -> pa.Table:
    if not path.exists():
        raise DataError(f"{path} is missing: meta/info.json counts this episode. Check the download.")
    try:
        table = parquet.read_table(path)
    except (pa.ArrowException, OSError) as error:
        first = str(error).splitlines()[0]
        raise DataError(
            f"{path} is not a readable parquet file ({first}). It is cut off or foreign; copy it again."
        ) from error
    if table.num_rows == 0:
        raise DataError(f"{path} has no rows. Remove the episode from the source, or copy it again.")
    return table


def _column(table: pa.Table, column: str, shape: tuple[int, ...], path: Path) -> np.ndarray:
    values = table.column(column).combine_chunks()
    while (
        pa.types.is_list(values.type) or pa.types.is_fixed_size_list(values.type) or pa.types.is_large_list(values.type)
    ):
        if values.null_count:
            break
        values = values.flatten()
    if values.null_count:
        raise DataError(
            f"{path}, column {column}: {values.null_count} values are missing. Mend or remove that episode."
        )
    array = values.to_numpy(zero_copy_only=False)
    if array.size != int(np.prod(shape)) or array.dtype.kind not in "fiub":
        raise DataError(f"{path}, column {column}: {array.size} values of kind {array.dtype} do not fill "
                        f"{list(shape)}, as meta/info.json declares. Check the download.")  # fmt: skip
    if array.dtype.kind == "f" and not np.isfinite(array).all():
        row = int(np.flatnonzero(~np.isfinite(array).reshape(shape[0], -1).all(axis=1))[0])
        raise DataError(f"{path}, column {column}, row {row}: not a finite number. Mend or remove that episode.")
    return array.reshape(shape)
