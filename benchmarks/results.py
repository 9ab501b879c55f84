"""Where results are kept, and what they can say of their run."""

import json
import os
import time
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from tests.e2e.results import revision

from .servers import HERE

RESULTS = HERE / "results"


def head() -> dict[str, Any]:
    """Return when and of what a result is; to be asked at the start, it may take an hour."""
    return {"date": time.strftime("%Y-%m-%d"), "revision": revision(), "cpus": os.cpu_count()}


def write(path: Path, found: Mapping[str, Any]) -> None:
    """Write JSON."""
    path.parent.mkdir(exist_ok=True)
    path.write_text(json.dumps(found, indent=1) + "\n")
