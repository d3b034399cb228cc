"""The training's screen: form left, progress in the middle, runs right."""

from __future__ import annotations

from collections.abc import Generator, Iterator

from PySide6.QtCore import Qt
from PySide6.QtWidgets import QHBoxLayout, QWidget

from plugins.training.model import TrainingModel
from plugins.training.panel_form import FormPanel
from plugins.training.panel_progress import ProgressPanel
from plugins.training.panel_runs import RunsPanel
from studio.app.api import StudioApi
from studio.app.pace import Pace
from studio.app.theme import set_property, theme


class TrainingPanel(QWidget):
    """Redraws losses once a second and the time left every 5 s."""

    def __init__(self, studio: StudioApi, model: TrainingModel) -> None:
        super().__init__()
        self._model = model
        self._pace = Pace(theme().number("motion.losses_hz"))
        self._slow = Pace(theme().number("motion.time_left_hz"))
        self._shown = ("", "")
        set_property(self, "ground", "1")
        self.setAttribute(Qt.WidgetAttribute.WA_StyledBackground)
        self.setFocusPolicy(Qt.FocusPolicy.ClickFocus)
        self._studio = studio

    def build(self) -> Iterator[None]:
        """Part by part; between two parts the window takes a turn."""
        studio, model = self._studio, self._model
        row = QHBoxLayout(self)
        row.setContentsMargins(0, 0, 0, 0)
        row.setSpacing(0)
        self.form = FormPanel(studio, model)
        row.addWidget(self.form)  # first, so that what is put into it later needs no other parent
        yield from self.form.build()
        yield
        self.progress = ProgressPanel(studio, model)
        row.addWidget(self.progress, 1)
        yield from self.progress.build()
        yield
        self.runs = RunsPanel(studio, model)
        yield
        row.addWidget(self.runs)
        self.runs.card.toggled.connect(self.progress.show_card)
        model.runs_changed.connect(self._show_run)
        model.curves_changed.connect(self.progress.show_curves)

    def shown(self) -> None:
        self.setFocus()  # keys act on the runs until a field is pressed

    def open(self, run: str = "") -> None:
        """Show a run by its identity."""
        if run:
            self._model.choose_run(run)

    def tick(self, now_s: float) -> None:
        self.form.build_some()
        if self._pace.due(now_s):
            self._model.tick(now_s)
        if self._slow.due(now_s):
            self.progress.show_time_left()

    def toggle_panels(self) -> None:
        folded = self.form.isVisible()
        self.form.setVisible(not folded)
        self.runs.setVisible(not folded)

    def _show_run(self) -> None:
        """A new state or run shows at once; the moving time left only every 5 s."""
        view = self._model.run
        big = self.progress.big.text(), self.progress.small.text()
        self.progress.show_run()
        now = (view.id, view.state) if view is not None else ("", "")
        if now == self._shown and view is not None and view.time_left_s is not None and big[1] == "left":
            self.progress.big.setText(big[0])
            self.progress.small.setText(big[1])
        self._shown = now


def make_panel(studio: StudioApi, model: TrainingModel) -> Generator[None, None, TrainingPanel]:
    panel = TrainingPanel(studio, model)
    yield from panel.build()
    return panel
