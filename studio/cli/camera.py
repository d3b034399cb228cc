"""`camera`: print a calibration board, find a camera's intrinsics and its place in the world, show what is kept."""

from __future__ import annotations

import contextlib
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import Any, Literal

from studio.cli.output import parse_arguments, write_result
from studio.core.config import apply_settings
from studio.core.errors import ConfigError, DataError
from studio.perception.board import PRESETS, BoardDescription
from studio.perception.camera_calibration import BoardPlace, CalibrationLimits

_ACTIONS = ("board", "calibrate", "place", "show")


@dataclass(frozen=True, kw_only=True)
class BoardArguments:
    """Write a board to print. Print it at 100 %, check the ruler, glue it onto something flat."""

    out: Path
    """file to write: .pdf or .png"""
    preset: Literal["a4", "a3"] = "a4"
    """sheet; a3 for a camera that looks at a table from above"""
    set: tuple[str, ...] = ()
    """the board, as key=value: columns, rows, square_m, marker_m, dictionary"""
    json: str | None = None
    """write the result as JSON to this path, - for standard output"""


@dataclass(frozen=True, kw_only=True)
class CalibrateArguments:
    """Intrinsics from pictures of the board, and the place from the board laid down where --at says."""

    camera: str = "top"
    """name of the camera, and of the file that keeps the result"""
    source: str = "twin"
    """twin, a folder of pictures, or a device such as /dev/video0 (pictures are taken when the board is held still)"""
    preset: Literal["a4", "a3"] = "a3"
    """which board"""
    board: tuple[str, ...] = ()
    """the board, as key=value: columns, rows, square_m, marker_m, dictionary"""
    set: tuple[str, ...] = ()
    """what is asked, as key=value: pictures, coverage, tilt_rad, error_px, placement_corners, distortion_terms"""
    laid: str = ""
    """calibrate: picture, folder or device that shows the board laid down; the twin lays it itself"""
    at: tuple[float, ...] = ()
    """where the board's upper left corner lies, X Y YAW (m, m, rad; yaw 0: its x edge along world x); of each picture
    of the laid board one after another"""
    height_m: float = 0.0
    """of the laid board's face above the table"""
    robot: str = "dual_arm_ak60"
    """whose camera this is"""
    out: Path | None = None
    """folder of the results; the robot's own folder otherwise, for the twin a folder of rehearsals"""
    seed: int = 0
    """of the twin's places"""
    json: str | None = None
    """write the result as JSON to this path, - for standard output"""

    def places(self) -> list[BoardPlace]:
        """Where the board lies in each picture."""
        if len(self.at) % 3:
            raise ConfigError(f"--at has {len(self.at)} numbers; give X Y YAW (m, m, rad) for every picture.")
        rows = zip(self.at[0::3], self.at[1::3], self.at[2::3], strict=True)
        return [BoardPlace(x_m=x_m, y_m=y_m, z_m=self.height_m, yaw_rad=yaw_rad) for x_m, y_m, yaw_rad in rows]


def run(arguments: list[str]) -> int:
    """Run one of the actions."""
    action, rest = (arguments[0], arguments[1:]) if arguments else ("", [])
    if action == "board":
        return _board(parse_arguments(BoardArguments, rest, "main.py camera board"))
    if action in ("calibrate", "place", "show"):
        options = parse_arguments(CalibrateArguments, rest, f"main.py camera {action}")
        return {"calibrate": _calibrate, "place": _place, "show": _show}[action](options)
    if action in ("-h", "--help"):
        print("usage: main.py camera {board,calibrate,place,show} [options]")
        return 0
    raise ConfigError(f"camera: {action!r} is no action. Actions: {', '.join(_ACTIONS)}.")


def _board(options: BoardArguments) -> int:
    from studio.perception.board_print import write_board

    board: BoardDescription = apply_settings(PRESETS[options.preset], list(options.set))
    sheet = write_board(board, options.out.expanduser())
    result = {"file": str(options.out), "sheet": sheet, "board": asdict(board), "corners": board.corners}
    text = f"{options.out}: {sheet}. Print at 100 % and measure the ruler: 100 mm. Glue it onto something flat."
    write_result(result, options.json, text=text)
    return 0


def _request(options: CalibrateArguments) -> Any:
    from studio.workers.camera_bench import CameraRequest

    return CameraRequest(
        camera=options.camera,
        source=options.source,
        board=apply_settings(PRESETS[options.preset], list(options.board)),
        limits=apply_settings(CalibrationLimits(), list(options.set)),
        robot=options.robot,
        folder="" if options.out is None else str(options.out),
        seed=options.seed,
    )


def _calibrate(options: CalibrateArguments) -> int:
    from studio.workers.camera_bench import CameraBench

    places, request = options.places(), _request(options)
    if options.source != "twin" and bool(options.laid) != bool(places):
        raise ConfigError("camera calibrate: --laid and --at go together: a view of the board, and where it lies.")
    with contextlib.closing(CameraBench(request)) as bench:
        bench.collect()
        intrinsics = bench.calibrator.solve()
        placement = None
        if options.source == "twin":
            placement = bench.place(intrinsics, places)
        elif options.laid:
            with contextlib.closing(CameraBench(replace(request, source=options.laid))) as laid:
                placement = laid.place(intrinsics, places)
        found = bench.save(intrinsics, placement)
        return _tell(bench.result(found), options.json, next_place=_words(options, "place"))


def _place(options: CalibrateArguments) -> int:
    from studio.workers.camera_bench import CameraBench

    places, request = options.places(), _request(options)
    kept = _stored(options, request)
    with contextlib.closing(CameraBench(request)) as bench:
        placement = bench.place(kept.intrinsics, places)
        found = bench.save(kept.intrinsics, placement, device=kept.device)
        return _tell(bench.result(found), options.json, next_place=_words(options, "place"))


def _show(options: CalibrateArguments) -> int:
    request = _request(options)
    kept = _stored(options, request)
    result = {**kept.to_json(), "file": str(request.path())}
    return _tell(result, options.json, next_place=_words(options, "place"))


def _stored(options: CalibrateArguments, request: Any) -> Any:
    """What is kept of this camera.

    Raises:
        DataError: nothing; the text says what to type.
    """
    kept = request.stored()
    if kept is not None:
        return kept
    twin = " (the twin's; a real camera's is found with --source)" if options.source == "twin" else ""
    raise DataError(f"{request.path()} does not exist{twin}. Run `{_words(options, 'calibrate')}` first.")


def _words(options: CalibrateArguments, action: str) -> str:
    """What is typed for another action with the same camera."""
    source = options.source if options.source == "twin" or options.source.startswith("/dev/") else "FOLDER_OR_DEVICE"
    words = [f"main.py camera {action} --camera {options.camera} --source {source} --robot {options.robot}"]
    return " ".join([*words, *(["--out", str(options.out)] if options.out is not None else [])])


def _tell(result: dict[str, Any], json_path: str | None, *, next_place: str) -> int:
    write_result(result, json_path, text="\n".join(_lines(result, next_place)))
    return 0


def _lines(result: dict[str, Any], next_place: str) -> list[str]:
    inside, placement, truth = result["intrinsics"], result.get("placement"), result.get("truth")
    (fx, _, cx), (_, fy, cy), _ = inside["matrix"]
    lines = [
        f"{result['camera']}: {inside['pictures']} pictures, {100 * inside['coverage']:.0f} % of the picture, "
        f"error {inside['error_px']:.2f} px",
        f"focal length {fx:.2f}, {fy:.2f} px; centre {cx:.2f}, {cy:.2f} px; "
        f"known to {', '.join(f'{value:.2f}' for value in inside['deviation_px'])} px",
    ]
    lines += [f"{refused['picture']} not used: {refused['reason']}" for refused in result.get("refused", [])]
    if placement is None:
        lines.append(f"Its place in the world is not known: lay the board down, run `{next_place} --at X Y YAW`.")
    else:
        x, y, z = (row[3] for row in placement["transform_world_camera"][:3])
        lines.append(f"at {x:.3f}, {y:.3f}, {z:.3f} m in the world, error {placement['error_px']:.2f} px")
    if truth:
        lines.append("from what the renderer was given: " + ", ".join(f"{k} {v:.4g}" for k, v in truth.items()))
    return [*lines, f"kept in {result['file']}"]
