"""What is weak in the manifests, as kustomize renders them, and in the Dockerfile: make check."""

import os
import shutil
import subprocess
import sys
from pathlib import Path
from tempfile import TemporaryDirectory

import yaml

from local.steps import ROOT, Failure, need

OVERLAYS = sorted(str(path.relative_to(ROOT)) for path in ROOT.glob("k8s/overlays/*"))
PLACES = (".", *OVERLAYS, "k8s/smoke")
# What skaffold reads and no kustomization holds.
FILES = ("k8s/smoke/job.yaml", "Dockerfile")


def main(checkov: str) -> int:
    """Print what checkov finds, nothing if all is well, and return its exit code."""
    with TemporaryDirectory() as folder:
        gather(Path(folder))
        # No other variables: some switch on what asks the network, others change what is printed.
        environment = {"PATH": os.environ["PATH"], "HOME": folder}
        command = (checkov, "--config-file", ROOT / ".checkov.yaml", "--directory", folder)
        run = subprocess.run(command, env=environment, capture_output=True, text=True)
    if run.returncode:
        print(run.stdout + run.stderr, end="")
    return run.returncode


def gather(folder: Path) -> None:
    """Put all that is to be scanned into a folder, each file under a name that says what it is."""
    for file in FILES:
        shutil.copy(ROOT / file, folder)
    try:
        need("kubectl")
    except Failure as missing:
        if os.environ.get("CI") == "true":
            raise
        print(f"The manifests were not scanned: {missing}")
        return
    for place in PLACES:
        name = "root" if place == "." else place.replace("/", "-")
        (folder / f"{name}.yaml").write_text(render(ROOT / place))
    (folder / "all-components.yaml").write_text(render_components())


def render(place: Path) -> str:
    """Return a kustomization as `kubectl apply -k` has it; it needs no cluster."""
    run = subprocess.run(("kubectl", "kustomize", place), capture_output=True, text=True)
    if run.returncode:
        raise Failure(f"kubectl kustomize {place} failed: {run.stderr.strip()}")
    return run.stdout


def render_components() -> str:
    """Return the base with every component at once, in an overlay as a user writes one."""
    components = sorted(ROOT.glob("k8s/components/*"))
    with TemporaryDirectory() as folder:
        here = os.path.realpath(folder)
        overlay = {
            "namespace": "hellopod",  # in "default" nothing should be
            "resources": [os.path.relpath(ROOT / "k8s/base", here)],
            "components": [os.path.relpath(component, here) for component in components],
        }
        (Path(folder) / "kustomization.yaml").write_text(yaml.safe_dump(overlay))
        return render(Path(folder))


if __name__ == "__main__":
    try:
        sys.exit(main(sys.argv[1]))
    except Failure as failure:
        sys.exit(f"scan: {failure}")
