"""Where things lie, and the Python in which PyTorch is installed."""

import os
import subprocess
import sys
from pathlib import Path

HERE = Path(__file__).resolve().parent
ROOT = HERE.parent.parent


def environment():
    """The Python of an environment with PyTorch, made where it is missing."""
    cache = Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache")
    folder = cache / "sdc/pytorch"
    python = folder / "bin/python"
    ready = folder / "ready"
    if not ready.exists():
        say(f"installing PyTorch into {folder} (once; delete the folder to be rid of it)")
        subprocess.run([sys.executable, "-m", "venv", "--clear", folder], check=True)
        subprocess.run([python, "-m", "pip", "install", "--quiet", "torch"], check=True)
        ready.touch()
    return python


def say(text):
    print(text, file=sys.stderr, flush=True)
