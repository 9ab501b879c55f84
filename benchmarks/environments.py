"""An environment of its own for each reference, from its lock."""

import hashlib
import subprocess
import sys
from pathlib import Path

HERE = Path(__file__).parent
REFERENCES = HERE / "references"
ENVIRONMENTS = HERE.parent / ".venv-references"


def python(name: str) -> Path:
    """Return the interpreter of a reference's environment, as its lock and this Python are now."""
    lock = REFERENCES / name / "requirements.txt"
    folder = ENVIRONMENTS / name
    interpreter = folder / "bin" / "python"
    stamp = folder / "lock.sha256"
    digest = hashlib.sha256(lock.read_bytes() + sys.version.encode()).hexdigest()
    if not (stamp.exists() and stamp.read_text() == digest):
        print(f"installing {name}", file=sys.stderr)
        subprocess.run([sys.executable, "-m", "venv", "--clear", folder], check=True)
        pip = (interpreter, "-m", "pip", "install", "--quiet", "--disable-pip-version-check")
        subprocess.run([*pip, "--require-hashes", "--requirement", lock], check=True)
        stamp.write_text(digest)
    return interpreter
