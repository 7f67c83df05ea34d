"""How pip builds the package: the two programs first (they become commands), then maturin does the rest.

They are the real programs, not Python that calls into a library: a daemon has no interpreter in it.
"""

import os
import shutil
import subprocess
from pathlib import Path

import maturin
from maturin import (  # noqa: F401 - pip calls them
    get_requires_for_build_editable,
    get_requires_for_build_sdist,
    get_requires_for_build_wheel,
    prepare_metadata_for_build_editable,
    prepare_metadata_for_build_wheel,
)

HERE = Path(__file__).resolve().parent
ROOT = HERE.parent.parent
PROGRAMS = ("pentad", "pentad-load")


def build_wheel(wheel_directory, config_settings=None, metadata_directory=None):
    build_programs()
    return maturin.build_wheel(wheel_directory, config_settings, metadata_directory)


def build_editable(wheel_directory, config_settings=None, metadata_directory=None):
    build_programs()
    return maturin.build_editable(wheel_directory, config_settings, metadata_directory)


def build_sdist(sdist_directory, config_settings=None):
    raise SystemExit("pentad is built from a checkout of its repository (pip install ./tools/python), or as a wheel")


def build_programs():
    """Builds both programs, and puts them where maturin looks for what belongs beside Python."""
    target = Path(os.environ.get("CARGO_TARGET_DIR", ROOT / "target")).absolute()
    scripts = HERE / "target" / "wheel.data" / "scripts"
    scripts.mkdir(parents=True, exist_ok=True)
    for program in PROGRAMS:
        # One after the other: together they would be built with one another's features.
        cargo = ["cargo", "build", "--locked", "--release", "--package", program, "--bin", program]
        subprocess.run([*cargo, "--target-dir", str(target)], cwd=ROOT, check=True)
        name = program + (".exe" if os.name == "nt" else "")
        shutil.copy2(target / "release" / name, scripts / name)
