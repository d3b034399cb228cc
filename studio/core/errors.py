"""Every error a person may read. A message says what, where, the value, what is allowed, and what next."""

from __future__ import annotations


class StudioError(Exception):
    """Root of all expected errors. `detail` is shown one click away, never in the headline."""

    exit_code = 1

    def __init__(self, message: str, *, detail: str = "") -> None:
        super().__init__(message)
        self.detail = detail


class ConfigError(StudioError):
    """Wrong usage or a setting outside its range."""

    exit_code = 2


class DataError(StudioError):
    """A file or dataset that is missing, cut short, foreign or inconsistent."""

    exit_code = 3


class DeviceError(StudioError):
    """A motor, bus, camera, sound card or display that does not do what it should."""

    exit_code = 4


class SafetyError(StudioError):
    """Something that must not move, would have."""

    exit_code = 5


class WorkerError(StudioError):
    """A worker process ended or did not answer."""


class PluginError(StudioError):
    """A plugin whose manifest or code is broken."""
