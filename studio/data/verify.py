"""Checks every byte of a dataset: files, checksums, indexes, messages, pictures, and that the facts agree."""

from __future__ import annotations

from pathlib import Path

import numpy as np

from studio.core.errors import DataError
from studio.data.annotations import Journal
from studio.data.dataset import Dataset
from studio.data.episode import CONTROL_FILE, EpisodeReader
from studio.data.episode_info import EpisodeInfo, load_episode_info
from studio.data.mcap_codec import walk_messages
from studio.data.mcap_scan import McapFile, find_damage
from studio.data.repair import is_being_recorded


def verify_dataset(dataset: Dataset) -> list[str]:
    """Problems found, one sentence each; empty when every byte is as it should be."""
    problems: list[str] = []
    for folder in dataset.episode_folders():
        problems += verify_episode(folder)
    return problems


def verify_episode(folder: Path) -> list[str]:
    """Problems of one episode."""
    if is_being_recorded(folder):
        return []
    try:
        info = load_episode_info(folder)
        Journal(folder)
    except DataError as error:
        return [str(error)]
    problems: list[str] = []
    if info.state == "recording":
        problems.append(f"{folder}: was not closed. Run `dataset repair`.")
    for path in [folder / CONTROL_FILE, *sorted(folder.glob("cam_*.mcap"))]:
        problems += _verify_file(path)
    return problems or [*_verify_streams(folder, info), *_verify_pictures(folder, info)]


def _verify_file(path: Path) -> list[str]:
    try:
        file = McapFile(path)
    except DataError as error:
        return [str(error)]
    try:
        problems = [f"{path}: {file.contents.problem}. Run `dataset repair`."] if file.contents.problem else []
        for place in file.contents.chunks:
            try:
                walk_messages(memoryview(file.records(place)))
            except DataError as error:
                problems.append(str(error))
        damage = "" if problems else find_damage(file.data)
        return [*problems, f"{path}: {damage}. Run `dataset repair`."] if damage else problems
    finally:
        file.close()


def _verify_streams(folder: Path, info: EpisodeInfo) -> list[str]:
    problems: list[str] = []
    reader = EpisodeReader(folder)
    try:
        for name in reader.record_types:
            records = reader.read(name)
            told = info.streams[name].records if name in info.streams else 0
            if len(records) != told:
                problems.append(f"{folder}: {len(records)} records of {name}, episode.json says {told}.")
            if len(records) and (np.diff(records["t_ns"]) < 0).any():
                problems.append(f"{folder}: times of {name} run backwards.")
        if info.content and reader.content != info.content:
            problems.append(f"{folder}: the recording was changed after it was closed.")
    except DataError as error:
        problems.append(str(error))
    finally:
        reader.close()
    return problems


def _verify_pictures(folder: Path, info: EpisodeInfo) -> list[str]:
    problems: list[str] = []
    reader = EpisodeReader(folder)
    try:
        for name in sorted({*reader.cameras, *info.cameras}):
            times = reader.frame_times_ns(name)
            told = info.cameras[name].frames if name in info.cameras else 0
            if len(times) != told:
                problems.append(f"{folder}: {len(times)} pictures of {name}, episode.json says {told}.")
            for index in range(len(times)):
                reader.frame(name, index)
    except DataError as error:
        problems.append(str(error))
    finally:
        reader.close()
    return problems
