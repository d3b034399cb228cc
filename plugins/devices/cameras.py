"""Cameras without Qt: which camera is calibrated, what was gathered, what came out. The bench is worker `calibrate`."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any

import numpy as np
from psygnal import Signal

from studio.app.api import Message, StudioApi
from studio.core.camera_calibration import CameraCalibration, cameras_dir, load_camera
from studio.core.errors import StudioError

WORKER, SESSION_CAMERA = "calibrate", "camera"
STREAM = "camera.calibrate.image"
TWIN = "twin"
BOARDS = {"a4": "A4: 7 × 5 fields of 36 mm", "a3": "A3: 5 × 4 fields of 68 mm"}
_REHEARSALS = "rehearsals"
_SHARED = " Start takes it from the session; it gets it back at the end."
_LETTING_GO = "The session lets go of the camera."
_PHASES = {
    "idle": "Choose a camera, then start.",
    "taking": "Show the board: near, all over the picture, tilted each way.",
    "solved": "Lay the board where you know its place.",
    "placed": "Save what was found.",
    "refused": "This was not enough.",
}


@dataclass(frozen=True, kw_only=True)
class Progress:
    """What the worker said last.

    Args:
        phase: idle, taking, solved, placed, refused.
        fields: [6][8], where corners were found.
        corners: [n, 2] in px of the newest picture.
        reason: what is wrong with the newest picture, or with all of them.
        intrinsics, placement: as in the file; None before there are any.
    """

    phase: str = "idle"
    pictures: int = 0
    pictures_needed: int = 10
    coverage: float = 0.0
    coverage_needed: float = 0.4
    fields: tuple[tuple[int, ...], ...] = ()
    corners: np.ndarray = field(default_factory=lambda: np.zeros((0, 2)))
    reason: str = ""
    intrinsics: dict[str, Any] | None = None
    placement: dict[str, Any] | None = None

    @property
    def sentence(self) -> str:
        """What to do now."""
        return _PHASES.get(self.phase, "")


class CamerasModel:
    """The Cameras page: choices, progress, results."""

    changed = Signal()

    def __init__(self, studio: StudioApi) -> None:
        self.studio = studio
        wiring = studio.robot.camera
        self.camera = "top" if wiring is None else wiring.name
        self.sources = [TWIN] if wiring is None else [wiring.device, TWIN]
        self.source, self.board = self.sources[0], "a3"
        self.progress = Progress()
        self.borrowed = False  # the session's camera process was ended for this page
        self._waiting = False  # for that end
        self.truth: dict[str, float] = {}
        self.saved = ""
        self.kept, self.why_not = self._read_kept()
        studio.workers.message.connect(self._on_message)

    # ---- what is kept --------------------------------------------------------------------------------------------

    def read_kept(self) -> None:
        """Look into the files again."""
        self.kept, self.why_not = self._read_kept()
        self.changed.emit()

    def _read_kept(self) -> tuple[CameraCalibration | None, str]:
        """The calibration that a file has for this choice, and why there is none."""
        name = _REHEARSALS if self.source == TWIN else self.studio.robot.name
        path = cameras_dir(name) / f"{self.camera}.toml"
        if not path.is_file():
            return None, "Not calibrated yet."
        try:
            return load_camera(path), ""
        except StudioError as error:
            return None, str(error)

    # ---- what a person does --------------------------------------------------------------------------------------

    def choose_source(self, source: str) -> None:
        if source != self.source and source in self.sources:
            self.source = source
            self.read_kept()

    def choose_board(self, board: str) -> None:
        if board in BOARDS:
            self.board = board
            self.changed.emit()

    @property
    def running(self) -> bool:
        return self.progress.phase != "idle"

    @property
    def sentence(self) -> str:
        """What to do now, and whose camera it is."""
        return self.progress.sentence + (_SHARED if self._is_shared() and not self.running else "")

    def _is_shared(self) -> bool:
        """The session has this camera open, and a device can be open once."""
        wiring = self.studio.robot.camera
        mine = wiring is not None and self.source == wiring.device
        return mine and self.studio.workers.alive(SESSION_CAMERA)

    def blocked_start(self) -> str:
        """Why no pictures can be taken now; empty when they can."""
        if self._is_shared() and self.studio.state.recording.on:
            return "This camera is being recorded. Stop the recording first."
        return ""

    def start(self) -> None:
        """Take pictures from the beginning, with the session's camera when it has let go of it."""
        self.truth, self.saved = {}, ""
        if blocked := self.blocked_start():
            self.studio.notices.warn(blocked)
            return
        if self._is_shared():
            self.borrowed = self._waiting = True
            self.progress = Progress(phase="taking", reason=_LETTING_GO)
            self.studio.workers.stop(SESSION_CAMERA)
            self.changed.emit()
            return
        self._begin()

    def _begin(self) -> None:
        values = {
            "camera": self.camera,
            "source": self.source,
            "preset": self.board,
            "robot": self.studio.robot.reference,
        }
        self.studio.workers.start(WORKER)
        self.studio.workers.send(WORKER, Message(name="begin", values=values))
        self.progress = Progress(phase="taking")
        self.changed.emit()

    def ask(self, name: str) -> None:
        """`solve`, `save` or `stop`."""
        if self.studio.workers.alive(WORKER):
            self.studio.workers.send(WORKER, Message(name=name))

    def lay(self, x_m: float, y_m: float, yaw_rad: float) -> None:
        """The board lies there now, as the newest picture shows."""
        self.studio.workers.send(WORKER, Message(name="lay", values={"places": [[x_m, y_m, yaw_rad]]}))

    def hidden(self) -> None:
        """Leaving the page ends it; what was not saved is forgotten."""
        self._waiting = False
        self.progress = Progress()
        if self.studio.workers.alive(WORKER):
            self.studio.workers.stop(WORKER)  # its end gives the camera back
        else:
            self._give_back()
        self.changed.emit()

    def stop(self) -> None:
        """The button: no more pictures."""
        if self._waiting:
            self.hidden()
        else:
            self.ask("stop")

    def _give_back(self) -> None:
        """The session's camera process again; with what was saved it knows where its pictures are."""
        if self.borrowed and not self.studio.workers.alive(SESSION_CAMERA):
            self.borrowed = False
            self.studio.workers.start(SESSION_CAMERA)

    # ---- what the worker says ------------------------------------------------------------------------------------

    def _on_message(self, name: str, message: Message) -> None:
        if name == SESSION_CAMERA and message.name == "ended" and self.borrowed:
            self._session_let_go()
        if name != WORKER:
            return
        if message.name == "progress":
            self.progress = make_progress(message.values)
        elif message.name == "finished":
            self.truth = dict(message.values.get("truth", {}))
            self.saved = str(message.values.get("file", ""))
            self.kept, self.why_not = self._read_kept()
        elif message.name == "ended":
            self.progress = Progress()
        if not self.running and not self._waiting:
            self._give_back()
        self.changed.emit()

    def _session_let_go(self) -> None:
        """It has ended: the page may have its camera, or nobody wants it any more."""
        if self._waiting:
            self._waiting = False
            self._begin()
        elif not self.running:
            self._give_back()


def make_progress(values: dict[str, Any]) -> Progress:
    """A message `progress` of the worker."""
    corners = values.get("corners") or []
    return Progress(
        phase=str(values.get("phase", "idle")),
        pictures=int(values.get("pictures", 0)),
        pictures_needed=int(values.get("pictures_needed", 0)),
        coverage=float(values.get("coverage", 0.0)),
        coverage_needed=float(values.get("coverage_needed", 0.0)),
        fields=tuple(tuple(int(v) for v in row) for row in values.get("fields", [])),
        corners=np.asarray(corners, dtype=np.float64).reshape(-1, 2),
        reason=str(values.get("reason", "")),
        intrinsics=values.get("intrinsics"),
        placement=values.get("placement"),
    )


def result_lines(
    intrinsics: dict[str, Any] | None, placement: dict[str, Any] | None, truth: dict[str, float]
) -> list[tuple[str, str]]:
    """Names and values to show: what was found, and for a twin how far from the truth."""
    lines: list[tuple[str, str]] = []
    if intrinsics is not None:
        (fx, _, cx), (_, fy, cy), _ = intrinsics["matrix"]
        lines += [
            ("Focal length", f"{fx:.1f}, {fy:.1f} px"),
            ("Centre", f"{cx:.1f}, {cy:.1f} px"),
            ("Corner error", f"{intrinsics['error_px']:.2f} px"),
        ]
    if placement is not None:
        x_mm, y_mm, z_mm = (round(1e3 * row[3]) for row in placement["transform_world_camera"][:3])
        lines += [
            ("Place", f"{x_mm}, {y_mm}, {z_mm} mm"),
            ("Its error", f"{placement['error_px']:.2f} px"),
        ]
    if truth:
        lines.append(("Twin’s focal length off by", f"{100 * truth['focal_share']:.1f} %"))
        if "table_m" in truth:
            lines.append(("Twin’s table off by", f"{1e3 * truth['table_m']:.1f} mm"))
    return lines
