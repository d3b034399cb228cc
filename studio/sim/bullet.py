"""Connecting to PyBullet without what its C code prints: standard output belongs to results."""

from __future__ import annotations

import os
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any


@contextmanager
def quiet_output() -> Iterator[None]:
    """While inside, what C code prints to standard output goes nowhere."""
    sys.stdout.flush()
    saved, nowhere = os.dup(1), os.open(os.devnull, os.O_WRONLY)
    try:
        os.dup2(nowhere, 1)
        yield
    finally:
        os.dup2(saved, 1)
        os.close(saved)
        os.close(nowhere)


def connect() -> Any:
    """A private PyBullet world without a window (a BulletClient)."""
    with quiet_output():
        import pybullet
        from pybullet_utils.bullet_client import BulletClient

        return BulletClient(connection_mode=pybullet.DIRECT)
