"""Source distributions of what others wrote, with their test suites in them.

They come from the network, or as archives from the directory that FOREIGN_SUITES names.
"""

import os
import subprocess
import sys
import tarfile
from pathlib import Path

import pytest


def source(name: str, number: str, directory: Path) -> Path:
    """Return a source distribution, unpacked; fails with what is missing."""
    archive = f"{name}-{number}.tar.gz"
    kept = Path(os.environ.get("FOREIGN_SUITES") or directory)
    if not (kept / archive).exists():
        pip = (sys.executable, "-m", "pip", "download", "--quiet", "--no-deps", "--no-binary", name)
        fetched = subprocess.run(
            [*pip, "--dest", kept, f"{name}=={number}"], capture_output=True, text=True
        )
        if fetched.returncode:
            pytest.fail(
                f"needs {archive}: from the network, or in the directory that FOREIGN_SUITES names"
                f"\n{fetched.stderr[-500:]}",
                pytrace=False,
            )
    with tarfile.open(kept / archive) as sources:
        sources.extractall(directory, filter="data")
    return directory / archive.removesuffix(".tar.gz")
