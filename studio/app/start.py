"""Opening the studio: application, project, session, plugins, window; and the hook for what nobody caught."""

from __future__ import annotations

import importlib
import sys
import traceback
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from types import TracebackType

from PySide6.QtCore import Qt
from PySide6.QtGui import QGuiApplication, QSurfaceFormat
from PySide6.QtWidgets import QApplication

from studio.app.api import StudioApi
from studio.app.graphics import opengl_problem
from studio.app.host import PluginHost
from studio.app.project import Project, open_project
from studio.app.session import WORKERS, Session, WorkerPlace
from studio.app.settings import Settings
from studio.app.shell.first_run import SCREEN, SEEN
from studio.app.theme import apply_theme
from studio.app.window import StudioWindow
from studio.core.errors import StudioError
from studio.core.paths import plugins_dir
from studio.core.task import load_task
from studio.robot.description import load_robot
from studio.robot.wiring import PedalWiring, find_pedal


@dataclass(frozen=True, kw_only=True)
class StudioOptions:
    """How to open the studio.

    Args:
        project: project folder; None is the one in the user's data folder.
        robot: name of the robot description.
        task: name of the task.
        pedal: path of the dead-man pedal; empty: the setting `pedal.path`, else the robot's own, if it has one.
        settings: settings file; None is the user's.
        theme: dark or light; None is what the settings say.
        watched: measure the event loop.
        plugin_folders: folders of plugins besides the shipped ones.
        workers: the workers to start.
        screen: the screen to open; None is where the person was last.
        greets: on the very first start, show the ways in.
    """

    project: Path | None = None
    robot: str = "dual_arm_ak60"
    task: str = "move_box"
    pedal: str = ""
    settings: Path | None = None
    theme: str | None = None
    watched: bool = False
    plugin_folders: tuple[Path, ...] = ()
    workers: tuple[WorkerPlace, ...] = WORKERS
    screen: str | None = None
    greets: bool = False


def make_application() -> QApplication:
    """The one QApplication, with shared GL contexts for the 3-D views."""
    existing = QApplication.instance()
    if isinstance(existing, QApplication):
        return existing
    QGuiApplication.setAttribute(Qt.ApplicationAttribute.AA_ShareOpenGLContexts)
    surface = QSurfaceFormat.defaultFormat()
    surface.setSwapInterval(0)
    QSurfaceFormat.setDefaultFormat(surface)
    app = QApplication(sys.argv[:1])
    app.setApplicationName("Haptic Play Studio")
    return app


def open_studio(options: StudioOptions) -> StudioWindow:
    """A window on a new session, its workers starting. The caller shows it and runs the application.

    Raises:
        StudioError: the project, robot or task cannot be used.
    """
    app = make_application()
    settings = Settings(options.settings or Settings.default_path())
    apply_theme(app, options.theme or settings.get("theme"))
    project = open_project(options.project)
    robot, task, kept = load_robot(options.robot), load_task(options.task), str(settings.get("pedal.path", "") or "")
    pedal = find_pedal(options.pedal) or (PedalWiring(path=kept) if kept else None)
    session = Session(robot, task, project, places=options.workers, pedal=pedal)
    try:
        return _open_window(session, project, settings, options)
    except BaseException:
        session.close()
        raise


def _open_window(session: Session, project: Project, settings: Settings, options: StudioOptions) -> StudioWindow:
    studio = StudioApi(session, project, settings)
    session.start()
    _load_libraries()
    folders = [(plugins_dir(), "the plugins folder"), (project.path / "plugins", "the project folder")]
    folders += [(folder, str(folder)) for folder in options.plugin_folders]
    host = PluginHost(folders, studio, off=settings.get("plugins.off", []))
    first = SCREEN if options.greets and not settings.get(SEEN) else options.screen or ""
    window = StudioWindow(studio, session, host, watched=options.watched, screen=first)
    _say_first_things(studio, settings, project)
    return window


def _load_libraries() -> None:
    """Python's lock is held while a shared library is loaded, for ffmpeg 70 ms: now, as long as nothing is shown."""
    try:
        importlib.import_module("av")
    except ImportError:
        return  # whoever needs it says so


def _say_first_things(studio: StudioApi, settings: Settings, project: Project) -> None:
    if project.made_now:
        studio.notices.info(f"Your project {project.name} was made.", detail=str(project.path))
    if settings.problem:
        studio.notices.warn(settings.problem)
    problem = opengl_problem()
    if problem:
        studio.notices.warn(problem)


def install_hook(window: StudioWindow) -> Callable[[], None]:
    """Whatever reaches the top of the event loop becomes a notice with its detail; returns the undo."""
    before = sys.excepthook

    def on_uncaught(kind: type[BaseException], error: BaseException, trace: TracebackType | None) -> None:
        if issubclass(kind, KeyboardInterrupt):
            window.close()
            return
        detail = "".join(traceback.format_exception(kind, error, trace)).strip()
        expected = isinstance(error, StudioError)
        text = (
            str(error) if expected else "Something in the studio did not work. The robot and your data are untouched."
        )
        window.studio.notices.add("fault", text, detail=getattr(error, "detail", "") or detail)
        if not expected:
            print(detail, file=sys.stderr)

    sys.excepthook = on_uncaught

    def undo() -> None:
        sys.excepthook = before

    return undo
