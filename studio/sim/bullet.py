"""PyBullet without what its C code prints at import and connection: standard output belongs to results."""

from __future__ import annotations

import os
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any


@contextmanager
def quiet_output() -> Iterator[None]:
    """While inside, what C code prints to standard output and error goes nowhere."""
    sys.stdout.flush()
    sys.stderr.flush()
    saved = [os.dup(descriptor) for descriptor in (1, 2)]
    nowhere = os.open(os.devnull, os.O_WRONLY)
    try:
        os.dup2(nowhere, 1)
        os.dup2(nowhere, 2)
        yield
    finally:
        for descriptor, copy in zip((1, 2), saved, strict=True):
            os.dup2(copy, descriptor)
            os.close(copy)
        os.close(nowhere)


with quiet_output():
    import pybullet as _pybullet
    from pybullet_utils.bullet_client import BulletClient as _BulletClient

pybullet: Any = _pybullet


def connect() -> Any:
    """A private PyBullet world without a window (a BulletClient)."""
    with quiet_output():
        return _BulletClient(connection_mode=pybullet.DIRECT)
