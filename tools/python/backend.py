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
# Cargo's profile: whoever tests the package itself wants it soon ("dev").
PROFILE = os.environ.get("PENTAD_PROFILE", "release")
# Where maturin takes what belongs beside Python from (pyproject.toml); it has to be there even for the metadata.
SCRIPTS = HERE / "target" / "wheel.data" / "scripts"
SCRIPTS.mkdir(parents=True, exist_ok=True)


def build_wheel(wheel_directory, config_settings=None, metadata_directory=None):
    prepare()
    return maturin.build_wheel(wheel_directory, config_settings, metadata_directory)


def build_editable(wheel_directory, config_settings=None, metadata_directory=None):
    prepare()
    return maturin.build_editable(wheel_directory, config_settings, metadata_directory)


def build_sdist(sdist_directory, config_settings=None):
    raise SystemExit("pentad is built from a checkout of its repository (pip install ./tools/python), or as a wheel")


def prepare():
    """Builds both programs, and puts them where maturin takes them from."""
    os.environ["MATURIN_PEP517_ARGS"] = f"--profile {PROFILE}"
    target = Path(os.environ.get("CARGO_TARGET_DIR", ROOT / "target")).absolute()
    for program in PROGRAMS:
        # One after the other: together they would be built with one another's features.
        cargo = ["cargo", "build", "--locked", "--profile", PROFILE, "--package", program, "--bin", program]
        subprocess.run([*cargo, "--target-dir", str(target)], cwd=ROOT, check=True)
        name = program + (".exe" if os.name == "nt" else "")
        folder = target / ("debug" if PROFILE == "dev" else PROFILE)
        shutil.copy2(folder / name, SCRIPTS / name)
