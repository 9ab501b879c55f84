"""How long from an edit to its answer from a pod: python -m benchmarks.loop

make up on a kind cluster of its own, with nothing there but images; again without an edit; again
after one; then skaffold dev. Needs Docker, kind, kubectl and skaffold.
"""

import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from tests.e2e.app import Http
from tests.e2e.clone import CLUSTER, Clone
from tests.e2e.cluster import Cluster
from tests.e2e.skaffold import Skaffold
from tests.e2e.waiting import eventually

ROUNDS = 3  # edits under skaffold dev


@contextmanager
def timed(what: str) -> Iterator[None]:
    start = time.monotonic()
    yield
    print(f"{time.monotonic() - start:6.1f} s  {what}", flush=True)


def measure_up(clone: Clone) -> None:
    def new_code_answers() -> None:
        assert Http(clone.url).get("/").data.startswith(b"Greetings from")

    with timed("make up, with the images of kind and Python present"):
        clone.make("up")
    with timed("make up again, nothing edited"):
        clone.make("up")
    clone.copy.greet("Greetings from container")
    with timed("make up after an edit, until all pods have it"):
        clone.make("up")
        eventually(new_code_answers, seconds=30, every=0.1)


def measure_dev(directory: Path, clone: Clone) -> None:
    kubeconfig = Path(clone.env["KUBECONFIG"])
    cluster = Cluster(f"kind-{CLUSTER}", kubeconfig, "hellopod", clone.folder)
    cluster.delete()  # skaffold dev needs the namespace free
    with Skaffold.on_copy(directory, cluster).dev() as dev:
        for number in range(ROUNDS):
            dev.copy.greet(f"Greeting {number} of")
            with timed("skaffold dev, from a saved file to its answer"):
                dev.serves("/", f"Greeting {number} of")


def main() -> None:
    """Print a line for each."""
    with tempfile.TemporaryDirectory() as name:
        up, dev = Path(name, "up"), Path(name, "dev")
        up.mkdir()
        dev.mkdir()
        clone = Clone.under(up)
        try:
            measure_up(clone)
            measure_dev(dev, clone)
        finally:
            clone.make("down")


if __name__ == "__main__":
    main()
