"""A pod of the overlay `dev`. Its code is replaced while it runs, however that gets there."""

import re
from collections.abc import Callable
from dataclasses import dataclass

import urllib3

from .app import Http
from .waiting import eventually
from .working_copy import WorkingCopy

SAVED = 20  # seconds from saving a file to its being served, 3 to 5 on an idle machine


@dataclass(frozen=True)
class Dev:
    """A copy of the repository, and the pod that serves its code."""

    copy: WorkingCopy
    sync: Callable[[], None]  # brings what was saved into the pod
    url: Callable[[], str]
    printed: Callable[[], str]  # the server's log, and what else is said

    def get(self, path: str) -> str:
        """Ask the pod. It does not answer while its server restarts."""
        try:
            return Http(self.url()).get(path).data.decode()
        except urllib3.exceptions.HTTPError as error:
            return f"no answer: {error}"

    def serves(self, path: str, text: str) -> None:
        """Bring what was saved into the pod, and wait until an answer contains the text."""
        self.sync()

        def edit_is_served() -> None:
            answer = self.get(path)
            assert text in answer, f"{answer}\n{self.tail()}"

        eventually(edit_is_served, seconds=SAVED, every=0.2)

    def prints(self, text: str) -> None:
        """Bring what was saved into the pod, and wait until the server has printed the text."""
        self.sync()

        def text_is_printed() -> None:
            assert text in self.printed(), self.tail()

        eventually(text_is_printed, seconds=SAVED, every=0.2)

    def tail(self) -> str:
        """Return the end of what was printed, without what each request adds."""
        lines = self.printed().splitlines()
        told = [line for line in lines if not re.search('"DEBUG"|gunicorn.access', line)]
        return "\n".join(["printed:", *told[-40:]])
