"""A disk that is full, told apart from one that is broken."""

from __future__ import annotations

import errno
from pathlib import Path

from studio.core.errors import DataError

_FULL = (errno.ENOSPC, errno.EDQUOT, errno.EFBIG)  # no room, no quota left, file size limit


class DiskFullError(DataError):
    """Nothing more fits on the disk (or into a quota)."""


def write_error(path: Path, error: OSError) -> DataError:
    """The error to raise for a write that failed."""
    if error.errno in _FULL:
        return DiskFullError(
            f"{path}: the disk is full ({error.strerror}). What was recorded up to here is kept. "
            "Free some space or choose another disk, then record again."
        )
    return DataError(f"{path} cannot be written: {error.strerror}. Check the disk and its rights.")
