"""The worker behind the Cameras page: pictures of the board in, progress, intrinsics and place out.

In: `begin` (fields of `CameraRequest`), `solve`, `lay` {places: [[x_m, y_m, yaw_rad]]} (a real camera: the board as it
lies now, one place a message), `save`, `stop`. Out: `ready`, `progress` (as `CameraBench.progress` says, with `phase`,
`corners` [n][2] in px and `reason` of the newest picture), `finished` (what the command prints as JSON), `said`. The
newest picture is in the preview ring `camera.calibrate.image`. A twin's board moves by itself and lays itself down.
"""

from __future__ import annotations

import gc
import time
from collections.abc import Iterator
from typing import Any

import numpy as np
from numpy.typing import NDArray

from studio.core.camera_calibration import CameraPlacement, Intrinsics
from studio.core.config import make_config
from studio.core.errors import ConfigError, DataError, StudioError
from studio.data.camera_stream import image_stream, make_image_record
from studio.ipc.messages import Message
from studio.ipc.ring import RingWriter
from studio.ipc.worker_link import WorkerLink, run_worker
from studio.perception.board import PRESETS, BoardView
from studio.perception.camera_calibration import BoardPlace, LaidBoard, place_camera
from studio.workers.camera_bench import CameraBench, CameraRequest
from studio.workers.camera_source import Picture, TwinSource
from studio.workers.priority import obtain_niceness

NAME = "calibrate"
_NICE = 5
_PERIOD_S = 0.1
_IDLE_S = 0.2


class CalibrateWorker:
    """One camera at a time: idle, taking, solved, placed."""

    def __init__(self, link: WorkerLink) -> None:
        self._link = link
        self._bench: CameraBench | None = None
        self._pictures: Iterator[Picture] = iter(())
        self._newest: Picture | None = None
        self._laid: list[LaidBoard] = []
        self._intrinsics: Intrinsics | None = None
        self._placement: CameraPlacement | None = None
        self._ring: RingWriter | None = None
        self._record: NDArray[Any] | None = None
        self.phase = "idle"

    def run(self) -> None:
        due_s = time.monotonic()
        while not self._link.ending:
            wait_s = _IDLE_S if self._bench is None else max(0.0, due_s - time.monotonic())
            for message in self._link.wait(wait_s):
                self._obey(message)
            if self._bench is not None and time.monotonic() >= due_s:
                due_s = time.monotonic() + _PERIOD_S
                self._guarded(self._turn)
        self.close()

    def _obey(self, message: Message) -> None:
        actions = {"solve": self._solve, "save": self._save, "stop": self._stop}
        if message.name == "begin":
            self._guarded(lambda: self._begin(message.values))
        elif message.name == "lay":
            self._guarded(lambda: self._lay(message.values))
        elif message.name in actions:
            self._guarded(actions[message.name])

    def _guarded(self, action: Any) -> None:
        """What is wrong is said, and the page goes on."""
        try:
            action()
        except StudioError as error:
            self._link.say("warning", str(error), error.detail)
            if self._bench is None:  # it never began: the page must not wait for it
                self._link.send(Message(name="progress", values={"phase": "idle", "reason": str(error)}))
            self._tell(None, str(error))

    def _begin(self, values: dict[str, Any]) -> None:
        self._stop()
        fields = dict(values)
        preset = str(fields.pop("preset", "a3"))
        if preset not in PRESETS:
            raise ConfigError(f"There is no board {preset!r}. Boards: {', '.join(PRESETS)}.")
        self._bench = CameraBench(make_config(CameraRequest, {"board": PRESETS[preset], **fields}, where="calibrate"))
        self._pictures, self.phase = self._bench.source.pictures(), "taking"
        kept = self._bench.request.stored()
        self._intrinsics = None if kept is None else kept.intrinsics

    def _turn(self) -> None:
        """One picture looked at and shown; a source that has ended is solved."""
        bench = self._bench
        assert bench is not None
        if self.phase != "taking" and not bench.source.live:
            return
        newest = next(self._pictures, None)
        if newest is None:  # the end, or an error that was said: what was found stays
            if self.phase == "taking":
                self._solve()
            return
        self._newest = name, image = newest
        taking = self.phase in ("taking", "refused")  # after a refusal more pictures are what is asked for
        view, reason = bench.look(name, image) if taking else self._only_find(image)
        self._show(image)
        self._tell(view, reason)

    def _only_find(self, image: NDArray[np.uint8]) -> tuple[BoardView | None, str]:
        assert self._bench is not None
        try:
            return self._bench.calibrator.detector.find(image), ""
        except DataError as error:
            return None, str(error)

    def _solve(self) -> None:
        bench = self._need_bench()
        self.phase = "refused"
        self._intrinsics = bench.calibrator.solve()
        self._placement, self._laid, self.phase = None, [], "solved"
        if isinstance(bench.source, TwinSource):
            for place in bench.source.places():
                self._show(bench.source.laid(place)[1])
            self._placement, self.phase = bench.place(self._intrinsics, ()), "placed"
        self._tell(None, "")

    def _lay(self, values: dict[str, Any]) -> None:
        """The board as it lies in the newest picture of a real camera; further places refine what is known."""
        bench = self._need_bench()
        if self._intrinsics is None or self._newest is None:
            raise ConfigError("Calibrate first: without the camera's intrinsics its place cannot be found.")
        x_m, y_m, yaw_rad = (float(value) for value in values.get("places", [[0.0, 0.0, 0.0]])[0])
        view = bench.calibrator.detector.find(self._newest[1])
        laid = [*self._laid, LaidBoard(view=view, place=BoardPlace(x_m=x_m, y_m=y_m, yaw_rad=yaw_rad))]
        self._placement = place_camera(laid, self._intrinsics, bench.request.limits)
        self._laid, self.phase = laid, "placed"
        self._tell(view, "")

    def _save(self) -> None:
        bench = self._need_bench()
        if self._intrinsics is None:
            raise ConfigError("There is nothing to save yet. Take pictures of the board first.")
        found = bench.save(self._intrinsics, self._placement)
        self._link.send(Message(name="finished", values=bench.result(found)))
        self._stop()

    def _need_bench(self) -> CameraBench:
        if self._bench is None:
            raise ConfigError("No camera is open. Begin a calibration first.")
        return self._bench

    def _stop(self) -> None:
        bench, self._bench = self._bench, None
        self._newest = self._placement = self._intrinsics = None
        self._laid, self.phase = [], "idle"
        if bench is not None:
            bench.close()
            self._link.send(Message(name="progress", values={**bench.progress(), "phase": "idle", "corners": []}))

    def _show(self, image: NDArray[np.uint8]) -> None:
        """Into the preview ring, which is made anew for another size."""
        height_px, width_px = image.shape[:2]
        if self._record is None or self._record["image"].shape[1:3] != (height_px, width_px):
            kind = make_image_record(NAME, width_px=width_px, height_px=height_px, rate_hz=1 / _PERIOD_S)
            if self._ring is not None:
                self._ring.close()
            self._ring = RingWriter(self._link.session.ring_path(image_stream(NAME)), kind, seconds=0.5)
            self._record = kind.empty()
        assert self._ring is not None
        self._record["t_ns"], self._record["image"] = time.monotonic_ns(), image
        self._record["frame"] += 1
        self._ring.write(self._record)

    def _tell(self, view: BoardView | None, reason: str) -> None:
        if self._bench is None:
            return
        corners = [] if view is None else np.round(view.points_px, 1).tolist()
        inside, placed = self._intrinsics, self._placement
        self._link.send(Message(name="progress", values={
            **self._bench.progress(), "phase": self.phase, "corners": corners, "reason": reason,
            "intrinsics": None if inside is None else inside.to_json(),
            "placement": None if placed is None else placed.to_json(),
        }))  # fmt: skip

    def close(self) -> None:
        self._stop()
        if self._ring is not None:
            self._ring.close()
            self._ring = None


def run(link: WorkerLink) -> None:
    obtain_niceness(_NICE)
    worker = CalibrateWorker(link)
    link.send(Message(name="ready"))
    gc.freeze()
    try:
        worker.run()
    finally:
        worker.close()


if __name__ == "__main__":
    run_worker(run)
