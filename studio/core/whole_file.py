"""Small files that are there whole or not at all, also when the power goes."""

from __future__ import annotations

import os
from pathlib import Path

from studio.core.errors import DataError


def write_whole(path: Path, text: str) -> Path:
    """Write `text` beside `path`, force it to the disk and put it in place; the folder is made. Gives `path`.

    Raises:
        DataError: it cannot be written; what was there before stays.
    """
    temporary = path.with_suffix(".new")
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        with temporary.open("w", encoding="utf-8") as file:
            file.write(text)
            file.flush()
            os.fsync(file.fileno())
        temporary.replace(path)
    except OSError as error:
        raise DataError(f"{path} cannot be written: {error.strerror}. Check the folder.") from error
    return path
