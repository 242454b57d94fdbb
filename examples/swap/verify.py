"""Make both variants, and do the same with each."""

from __future__ import annotations

import shutil
import subprocess
import sys
from pathlib import Path
from tempfile import TemporaryDirectory

HERE = Path(__file__).parent
APPLICATION = ("client.py", "server.py")
WIRES = ("http", "ably")


def make_variant(wire: str, folder: Path) -> None:
    """Copy the application, and for Ably apply the diff that the README shows."""
    for name in (*APPLICATION, "settings.py", "scenario.py"):
        shutil.copy(HERE / name, folder)
    if wire == "ably":
        subprocess.run(["git", "apply", str(HERE / "to-ably.diff")], cwd=folder, check=True)


def run_variant(wire: str) -> None:
    with TemporaryDirectory() as folder:
        make_variant(wire, Path(folder))
        subprocess.run([sys.executable, "scenario.py"], cwd=folder, check=True)


if __name__ == "__main__":
    for wire in sys.argv[1:] or WIRES:
        print(f"{wire}:", flush=True)
        run_variant(wire)
