"""A copy of the repository, for tests that edit the code."""

import re
import shutil
from dataclasses import dataclass
from pathlib import Path

from .kustomization import ROOT

LEFT_OUT = shutil.ignore_patterns(".git", ".venv*", "__pycache__", ".*_cache")


@dataclass(frozen=True)
class WorkingCopy:
    """Edits files as an editor does that saves them."""

    folder: Path

    @classmethod
    def under(cls, directory: Path) -> "WorkingCopy":
        """Make a copy in a directory."""
        shutil.copytree(ROOT, directory / "copy", ignore=LEFT_OUT)
        return cls(directory / "copy")

    def append(self, file: str, text: str) -> None:
        """Add text at the end of a file. The file need not exist."""
        with (self.folder / file).open("a") as code:
            code.write(text)

    def replace(self, file: str, pattern: str, new: str) -> None:
        """Replace the only place in a file that matches."""
        code, places = re.subn(pattern, new, (self.folder / file).read_text())
        assert places == 1, f"{places} places in {file} match {pattern}"
        (self.folder / file).write_text(code)

    def say(self, words: str) -> None:
        """Change what `/version` says of Flask, whatever it says by now."""
        self.replace("service/about.py", "flask=.*,", f'flask="{words}",')
