"""What pyproject.toml cannot say: screens, benchmarks and resources lie beside the packages in a checkout, but inside
`studio` in an installation, so that no name as common as `plugins` comes into anybody's site-packages.

See docs/decisions/0011-installed-layout.md.
"""

from __future__ import annotations

import shutil
from pathlib import Path

from setuptools import setup
from setuptools.command.build_py import build_py

ROOT = Path(__file__).resolve().parent
SHIPPED = ("plugins", "benchmarks", "resources")


class BuildWithShipped(build_py):
    """Copies the folders to `studio/shipped`; an editable installation uses them where they are."""

    def run(self) -> None:
        super().run()
        if self.editable_mode:
            return
        for name in SHIPPED:
            place = Path(self.build_lib) / "studio" / "shipped" / name
            shutil.rmtree(place, ignore_errors=True)  # of an earlier build
            shutil.copytree(ROOT / name, place, ignore=shutil.ignore_patterns("__pycache__"))


setup(cmdclass={"build_py": BuildWithShipped})
