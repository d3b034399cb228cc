"""A person at the display: moves the mouse, presses buttons and keys through the X server, and looks at the window.

Events go the whole way: XTEST asks the X server, the server sends them to the window's own process (`main.py gui`).
Where things are, the person learns from `studio.app.eyes`, which can press nothing.
"""

from __future__ import annotations

import contextlib
import json
import os
import signal
import socket
import subprocess
import tempfile
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

from studio.core.errors import ConfigError, StudioError, WorkerError
from studio.core.paths import program

_LOOK_S = 0.1  # between two looks at the window
_ANSWER_S = 1.5  # in which even a slow window has followed a key
_STEP_PX = 6  # of one mouse move in a drag
_KEYS = {"Ctrl": "Control_L", "Shift": "Shift_L", "Enter": "Return", "Space": "space", ".": "period", "-": "minus",
         ",": "comma", "?": "question", " ": "space", "Esc": "Escape"}  # fmt: skip


class NotSeenError(StudioError):
    """Something that a person would have seen by now did not come."""


class Hands:
    """Mouse and keyboard of the display, by XTEST. Needs python-xlib.

    Raises:
        ConfigError: python-xlib is missing, or the display has no XTEST.
    """

    def __init__(self) -> None:
        try:
            from Xlib import XK, X, display
        except ImportError as error:
            raise ConfigError("Clicking through the window needs python-xlib. Type: pip install python-xlib") from error
        self._x, self._names = X, XK
        self._display = display.Display()
        if not self._display.has_extension("XTEST"):
            raise ConfigError("This display has no XTEST, so nobody can click on it. Use Xvfb or Xorg.")
        self._root = self._display.screen().root

    def close(self) -> None:
        self._display.close()

    def move(self, x: int, y: int) -> None:
        self._send(self._x.MotionNotify, x=x, y=y)

    def button(self, number: int, *, down: bool) -> None:
        self._send(self._x.ButtonPress if down else self._x.ButtonRelease, number)

    def click(self, x: int, y: int) -> None:
        self.move(x, y)
        self.button(1, down=True)
        self.button(1, down=False)

    def drag(self, start: tuple[int, int], end: tuple[int, int], pause: Callable[[], None]) -> None:
        """Press, move in small steps, let go; `pause` between the steps."""
        self.move(*start)
        self.button(1, down=True)
        steps = max(2, max(abs(end[0] - start[0]), abs(end[1] - start[1])) // _STEP_PX)
        for step in range(1, steps + 1):
            share = step / steps
            self.move(round(start[0] + share * (end[0] - start[0])), round(start[1] + share * (end[1] - start[1])))
            pause()
        self.button(1, down=False)

    def wheel(self, x: int, y: int, notches: int) -> None:
        """Positive: away from the person, the page goes up."""
        self.move(x, y)
        for _ in range(abs(notches)):
            for down in (True, False):
                self.button(4 if notches > 0 else 5, down=down)

    def key(self, words: str) -> None:
        """A key such as `E`, `Enter` or `Ctrl+K`."""
        *held, last = words.split("+") if words != "+" else [words]
        code, shifted = self._code(last)
        codes = [self._code(name)[0] for name in held]
        if shifted and "Shift" not in held and (len(last) == 1 and not last.isalpha()):
            codes.append(self._code("Shift")[0])
        for each in (*codes, code):
            self._send(self._x.KeyPress, each)
        for each in (code, *reversed(codes)):
            self._send(self._x.KeyRelease, each)

    def type(self, text: str) -> None:
        for letter in text:
            self.key(letter)

    def _code(self, name: str) -> tuple[int, bool]:
        keysym = self._names.string_to_keysym(_KEYS.get(name, name.lower() if len(name) == 1 else name))
        code = self._display.keysym_to_keycode(keysym)
        if not code:
            raise ConfigError(f"The keyboard of this display has no key {name!r}.")
        return code, self._display.keycode_to_keysym(code, 0) != keysym

    def _send(self, event: int, detail: int = 0, **place: int) -> None:
        from Xlib.ext import xtest

        xtest.fake_input(self._display, event, detail, **place)
        self._display.sync()

    def give_focus(self) -> None:
        """What a desktop does when a window opens: the largest window gets the keys. Virtual displays have nobody."""
        shown = [
            (window.get_geometry().width, window)
            for window in self._root.query_tree().children
            if window.get_attributes().map_state == self._x.IsViewable
        ]
        if shown:
            _, window = max(shown, key=lambda one: one[0])
            window.set_input_focus(self._x.RevertToParent, self._x.CurrentTime)
            self._display.sync()

    def picture(self, path: Path) -> Path:
        """The whole display as it stands."""
        import cv2
        import numpy as np

        size = self._root.get_geometry()
        image = self._root.get_image(0, 0, size.width, size.height, self._x.ZPixmap, 0xFFFFFFFF)
        pixels = np.frombuffer(image.data, dtype=np.uint8).reshape(size.height, size.width, 4)
        path.parent.mkdir(parents=True, exist_ok=True)
        cv2.imwrite(str(path), pixels[:, :, :3])
        return path


class Person:
    """Looks and acts, and waits until what they did can be seen.

    Args:
        hands: mouse and keys.
        eyes: the socket of the window (`gui --eyes`).
        patience_s: after which what should come counts as never.
    """

    def __init__(self, hands: Hands, eyes: socket.socket, patience_s: float) -> None:
        self.hands, self.patience_s = hands, patience_s
        self._eyes, self._answers = eyes, eyes.makefile("rb")

    # ---- looking -------------------------------------------------------------------------------------------------

    def ask(self, question: str, **values: Any) -> Any:
        """One question to the window (`studio.app.eyes`); a window that is gone is said."""
        try:
            self._eyes.sendall(json.dumps({"ask": question, **values}).encode() + b"\n")
            line = self._answers.readline()
        except OSError as error:
            raise NotSeenError(f"The window does not answer ({error}).") from error
        if not line:
            raise NotSeenError("The window is gone.")
        answer = json.loads(line)
        if "error" in answer:
            raise NotSeenError(f"{question} {values}: {answer['error']}")
        return answer["answer"]

    @property
    def state(self) -> dict[str, Any]:
        return self.ask("state")

    def find(self, text: str, kind: str = "button") -> dict[str, Any] | None:
        """The widget whose words begin with `text`; None when there is none on the screen."""
        found = self.ask("find", text=text, kind=kind)
        return found[0] if found else None

    def wait(self, what: str, seen: Callable[[], Any], *, meanwhile: Callable[[], None] = lambda: None) -> Any:
        """Look again and again until something is there; what was seen.

        Args:
            what: in words, for the failure.
            seen: true when it is there.
            meanwhile: done between two looks.

        Raises:
            NotSeenError: not within the person's patience.
        """
        end_s = time.monotonic() + self.patience_s
        while not (found := seen()):
            if time.monotonic() > end_s:
                raise NotSeenError(
                    f"Waited {self.patience_s:.0f} s for this, and it did not come: {what}. {self._why()}"
                )
            meanwhile()
            time.sleep(_LOOK_S)
        return found

    def _why(self) -> str:
        state = self.state
        said = "; ".join(notice["text"] for notice in state["notices"][:4])
        return f"The screen is {state['screen']!r}, the robot {state['robot']} ({state['driver']}). Said: {said}"

    # ---- acting --------------------------------------------------------------------------------------------------

    def click(self, text: str, kind: str = "button") -> None:
        """Scroll it into view where needed, wait until it can be pressed, and press it."""
        left, top, width, height = self.wait(f"{text!r} can be pressed", lambda: self._reach(text, kind))["rect"]
        self.hands.click(left + width // 2, top + height // 2)
        time.sleep(_LOOK_S)

    def _reach(self, text: str, kind: str) -> dict[str, Any] | None:
        found = self.find(text, kind)
        if found is None or not found["enabled"]:
            return None
        if found["seen"]:
            return found
        if found["page"] is not None:
            left, top, width, height = found["page"]
            below = found["rect"][1] + found["rect"][3] // 2 > top + height // 2
            far = abs(found["rect"][1] + found["rect"][3] // 2 - (top + height // 2)) > height
            self.hands.wheel(left + width // 2, top + height // 2, (-1 if below else 1) * (5 if far else 1))
        return None

    def fill(self, name: str, text: str) -> None:
        """Click into a field, replace what is there, Enter; again until the field shows it."""

        def filled() -> bool:
            field = self.find(name, "field")
            return field is not None and field["value"].replace("−", "-") == text

        def enter() -> None:
            self.click(name, "field")
            self.hands.key("Ctrl+A")
            self.hands.type(text)
            self.hands.key("Enter")
            time.sleep(2 * _LOOK_S)

        enter()
        self.wait(f"the field {name!r} shows {text}", filled, meanwhile=enter)

    def palette(self, words: str) -> None:
        """Ctrl+K, a few words, Enter. A command that cannot run leaves the palette open: Ctrl+K closes it."""
        self._press_until("Ctrl+K", "the palette is open", lambda: self._query() is not None)
        self.hands.key("Ctrl+A")
        self.hands.type(words)
        self.wait("the words stand in the palette", lambda: self._query() in (words, None))
        self.hands.key("Enter")
        time.sleep(_ANSWER_S)
        self._press_until("Ctrl+K", "the palette is closed", lambda: self._query() is None)

    def _press_until(self, key: str, what: str, seen: Callable[[], bool]) -> None:
        """Press a key that opens or closes something, again only when a slow window has had time to follow."""
        pressed_s = float("-inf")

        def press() -> None:
            nonlocal pressed_s
            if time.monotonic() - pressed_s > _ANSWER_S:
                self.hands.key(key)
                pressed_s = time.monotonic()

        self.wait(what, seen, meanwhile=press)

    def _query(self) -> str | None:
        field = self.find("Find or do", "field")
        return None if field is None else field["value"]

    def place(self, x_m: float, y_m: float, z_m: float) -> tuple[int, int]:
        """Where a place in the world is in the 3-D view, on the display (px)."""
        x, y = self.ask("place", x=x_m, y=y_m, z=z_m)
        return x, y


@contextlib.contextmanager
def open_window(home: Path, project: Path, patience_s: float) -> Iterator[tuple[Person, subprocess.Popen[bytes]]]:
    """The studio in its own process, as a newcomer starts it, and a person in front of it.

    Args:
        home: folder for settings, the socket and the window's log.
        project: the project's folder.
        patience_s: of the person.
    """
    home.mkdir(parents=True, exist_ok=True)
    log = home / "window.log"
    environment = {**os.environ, "XDG_DATA_HOME": str(home), "XDG_CONFIG_HOME": str(home)}
    with tempfile.TemporaryDirectory(prefix="studio-eyes-") as short, log.open("wb") as said:
        socket_path = Path(short) / "eyes"  # the path of a socket may have about a hundred letters
        hands = Hands()
        command = [*program(), "gui", "--project", str(project), "--eyes", str(socket_path)]
        window = subprocess.Popen(command, env=environment, stdout=said, stderr=said, stdin=subprocess.DEVNULL)
        try:
            with contextlib.closing(_look(socket_path, window, log, patience_s)) as eyes:
                yield Person(hands, eyes, patience_s), window
        finally:
            hands.close()
            _end(window, patience_s)


def _look(path: Path, window: subprocess.Popen[bytes], log: Path, patience_s: float) -> socket.socket:
    end_s = time.monotonic() + patience_s
    while time.monotonic() < end_s:
        if window.poll() is not None:
            raise WorkerError("The window did not open.", detail=log.read_text(encoding="utf-8", errors="replace"))
        eyes = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
        eyes.settimeout(patience_s)
        try:
            eyes.connect(str(path))
        except OSError:
            eyes.close()
            time.sleep(_LOOK_S)
            continue
        return eyes
    raise WorkerError(f"The window did not open within {patience_s:.0f} s.")


def _end(window: subprocess.Popen[bytes], patience_s: float) -> None:
    if window.poll() is None:
        window.send_signal(signal.SIGTERM)
    try:
        window.wait(patience_s)
    except subprocess.TimeoutExpired:
        window.kill()
        window.wait()
