"""Goals from pictures without Qt: which episode, which frame, or what the camera sees now."""

from __future__ import annotations

import time
from pathlib import Path
from typing import Any

import numpy as np
from psygnal import Signal

from plugins.goals.film import Film, FilmTitle, list_films, read_film, read_frame
from studio.app.api import Loader, Message, StudioApi

EPISODE, CAMERA, FILE = "Episode", "Camera now", "Picture file"
SOURCES = (EPISODE, CAMERA, FILE)
CAMERA_STREAM = "camera.top.image"
TAGS, WORLD = "object_pose.tags", "object_pose.world"
_FRESH_S = 0.5


class FilmDesk:
    """The strip's content. `taken` carries position [3] and quaternion [4] of the box in the chosen picture."""

    film_changed = Signal()
    frame_changed = Signal()
    taken = Signal(object, object)

    def __init__(self, studio: StudioApi, loader: Loader) -> None:
        self._studio, self._loader = studio, loader
        self.source = EPISODE
        self.films: list[FilmTitle] = []
        self.film_index = 0
        self.film: Film | None = None
        self.frame = -1
        self.frame_picture: np.ndarray | None = None
        self._reading = False
        self._wanted = -1  # the frame whose picture is asked for next
        self._decoding = False
        self.picture: Path | None = None  # the file whose pose is the goal
        self._asked: Path | None = None
        self._file_words = ""
        studio.workers.message.connect(self._on_message)

    # ---- episodes ------------------------------------------------------------------------------------------------

    def read(self) -> None:
        """Look for episodes with pictures, beside the window."""
        if not self._reading:
            self._reading = True
            datasets = [path for path in self._studio.project.datasets() if not path.name.startswith(".")]
            self._loader.ask("films", list_films, datasets)

    def choose_film(self, index: int) -> None:
        if 0 <= index < len(self.films):
            self.film_index, self.film, self.frame = index, None, -1
            self._loader.ask("film", read_film, self.films[index])
            self.film_changed.emit()

    def show_episode(self, folder: Path) -> None:
        """A certain episode, from the replay."""
        self.source = EPISODE
        index = next((i for i, film in enumerate(self.films) if film.folder == folder), -1)
        if index >= 0:
            self.choose_film(index)

    def scrub(self, share: float) -> None:
        """The frame at a share of the film; its pose becomes the goal at once, its picture follows."""
        film = self.film
        if film is None or not len(film.times_s):
            return
        frame = int(np.argmin(np.abs(film.times_s - share * film.times_s[-1])))
        if frame == self.frame:
            return
        self.frame, self.frame_picture, self._wanted = frame, None, frame
        self._decode()
        if film.has_pose(frame):
            self.taken.emit(film.positions_m[frame], film.orientations_xyzw[frame])
        self.frame_changed.emit()

    def _decode(self) -> None:
        if not self._decoding and self._wanted >= 0 and self.film is not None:
            self._decoding = True
            self._loader.ask(f"frame {self._wanted}", read_frame, self.film.folder, self._wanted)

    def take_result(self, key: str, result: Any) -> None:
        """What the loader has read."""
        if key == "films":
            self._reading = False
            fresh = result != self.films
            self.films = result
            if fresh or self.film is None:
                self.choose_film(0)
            self.film_changed.emit()
        elif key == "film":
            self.film, self.frame = result, -1
            self.film_changed.emit()
        elif key.startswith("frame "):
            self._take_frame(int(key.split()[1]), result)

    def _take_frame(self, frame: int, picture: np.ndarray | None) -> None:
        self._decoding = False
        if frame == self.frame:
            self.frame_picture, self._wanted = picture, -1
            self.frame_changed.emit()
        self._decode()

    # ---- camera --------------------------------------------------------------------------------------------------

    def choose_source(self, source: str) -> None:
        """Episode, or the camera; it looks for tags only while it is asked."""
        if source in SOURCES and source != self.source:
            self.source = source
            self.find_tags(source == CAMERA)
            self.film_changed.emit()

    def find_tags(self, on: bool) -> None:
        if self._studio.workers.alive("camera"):
            self._studio.workers.send("camera", Message(name="tags", values={"on": on}))

    def camera_picture(self) -> np.ndarray | None:
        record = self._studio.streams.latest(CAMERA_STREAM)
        return None if record is None else record["image"]

    def camera_pose(self) -> tuple[np.ndarray | None, str]:
        """The box as the camera sees it, and in words where the pose comes from or why there is none."""
        if self.camera_picture() is None:
            return None, "No camera picture. Start the camera again from the notices."
        tags = self._studio.streams.latest(TAGS)
        if tags is not None and (time.monotonic_ns() - int(tags["t_ns"])) * 1e-9 < _FRESH_S:
            return tags, "Pose from the box’s tags in this picture. Ctrl+G makes it the goal."
        world = self._studio.streams.latest(WORLD)
        if world is not None:
            return world, "No tag is read in this picture: pose from the simulator. Ctrl+G makes it the goal."
        return None, "No tag of the box is seen in this picture. Move the arms away, or choose an episode."

    def take_camera(self) -> None:
        """The pose in the camera's picture becomes the goal; without a tag it is said."""
        if self.source != CAMERA:
            self.choose_source(CAMERA)
            self._studio.notices.info("The camera looks for the box’s tags. Ctrl+G again takes the goal.")
            return
        pose, words = self.camera_pose()
        if pose is None:
            self._studio.notices.warn(words)
        else:
            self.taken.emit(pose["position_m"].copy(), pose["orientation_xyzw"].copy())

    # ---- a picture file ----------------------------------------------------------------------------------------

    def ask_file(self, path: Path) -> None:
        """Have the camera's process look for the box in a picture of that camera."""
        self.choose_source(FILE)
        self._asked, self.picture = path, None
        if not self._studio.workers.alive("camera"):
            self._asked, self._file_words = None, "The camera is not running, and it reads the tags. Start it again."
            self._studio.workers.send("camera", Message(name="read_picture"))  # which says so, with a button
        else:
            self._file_words = f"Looking for the box in {path.name}."
            self._studio.workers.send("camera", Message(name="read_picture", values={"path": str(path)}))
        self.film_changed.emit()

    def _on_message(self, name: str, message: Message) -> None:
        if name != "camera" or self._asked is None:
            return
        if message.name == "ended":
            self._asked, self._file_words = None, "The camera ended while it looked. Start it again from the notices."
        elif message.name == "picture_refused" and message.values.get("path") == str(self._asked):
            self._asked, self._file_words = None, str(message.values["text"])
            self._studio.notices.warn(self._file_words)
        elif message.name == "picture_pose" and message.values.get("path") == str(self._asked):
            self._take_file(self._asked, message.values)
        else:
            return
        self.film_changed.emit()

    def _take_file(self, path: Path, values: dict[str, Any]) -> None:
        self._asked, self.picture = None, path
        tags = int(values["tags"])
        seen = "one tag" if tags == 1 else f"{tags} tags"
        self._file_words = f"{path.name}: the goal is where the box is in this picture, from {seen}."
        self.taken.emit(np.array(values["position_m"]), np.array(values["orientation_xyzw"]))

    # ---- words ---------------------------------------------------------------------------------------------------

    def film_words(self) -> str:
        if self.source == CAMERA:
            return self.camera_pose()[1]
        if self.source == FILE:
            return self._file_words or "Choose a PNG or JPEG picture that this camera took, with the box in it."
        if self.film is None:
            return "Reading the episode." if self.films else "No episode with pictures yet. Record a minute."
        if self.film.problem:
            return self.film.problem
        if self.frame >= 0 and not self.film.has_pose(self.frame):
            return "The box is not seen in this frame. Drag on."
        return "Drag along the strip. The goal is where the box was in that frame."
