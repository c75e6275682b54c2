"""Where things lie, and the Pythons in which PyTorch and other packages are installed."""

import os
import subprocess
import sys
from pathlib import Path

HERE = Path(__file__).resolve().parent
ROOT = HERE.parent.parent


def environment(name="pytorch", package="torch"):
    """The Python of an environment with a package, made where it is missing; by default with PyTorch."""
    cache = Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache")
    folder = cache / "sdc" / name
    python = folder / "bin/python"
    ready = folder / "ready"
    if not ready.exists():
        say(f"installing {package} into {folder} (once; delete the folder to be rid of it)")
        subprocess.run([sys.executable, "-m", "venv", "--clear", folder], check=True)
        subprocess.run([python, "-m", "pip", "install", "--quiet", package], check=True)
        ready.touch()
    return python


def say(text):
    print(text, file=sys.stderr, flush=True)
