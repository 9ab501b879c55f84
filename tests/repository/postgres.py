"""A real PostgreSQL on loopback, of the programs that are installed."""

import os
import shutil
import signal
import socket
import subprocess
from pathlib import Path
from tempfile import TemporaryDirectory

import psycopg

from tests.e2e.absence import missing
from tests.runtime.raw import eventually

DEBIAN = Path("/usr/lib/postgresql")  # there they are not on PATH
PLACES = os.pathsep.join([os.environ["PATH"], *map(str, sorted(DEBIAN.glob("*/bin")))])


class Postgres:
    """Starts on a free port, in a folder of its own; the end of the with block ends it."""

    def __init__(self):
        initdb, self.program = (shutil.which(name, path=PLACES) for name in ("initdb", "postgres"))
        if not (initdb and self.program):
            missing("postgres", f"no initdb and postgres on PATH or in {DEBIAN}/*/bin")
        # It refuses to run as root.
        self.user = {"user": "nobody", "group": "nogroup"} if os.geteuid() == 0 else {}
        # Not below pytest's folder: other users may not enter that.
        self.folder = TemporaryDirectory(prefix="postgres-")
        self.data = Path(self.folder.name)
        if self.user:
            shutil.chown(self.data, **self.user)
        command = (initdb, "--auth=trust", "--username=orders", "--no-sync", "--pgdata", self.data)
        subprocess.run(command, **self.user, cwd="/", check=True, capture_output=True)
        with socket.create_server(("127.0.0.1", 0)) as free:
            self.port = free.getsockname()[1]
        self.number = 0

    @property
    def url(self):
        """The URL of the latest database."""
        return f"postgresql://orders@127.0.0.1:{self.port}/test{self.number}"

    @property
    def urls(self):
        """The URLs of that database, by their form."""
        socket = f"host={self.data}&port={self.port}"
        return {
            "host": self.url,
            "user and socket": f"postgresql://orders@/test{self.number}?{socket}",
            "socket": f"postgresql:///test{self.number}?user=orders&{socket}",
        }

    def make_database(self):
        """Make an empty one."""
        self.number += 1
        url = f"postgresql://orders@127.0.0.1:{self.port}/postgres"
        with psycopg.connect(url, autocommit=True) as db:
            db.execute(f"CREATE DATABASE test{self.number}")

    def start(self):
        """Start it, and wait until it takes connections."""
        options = ("-k", self.data, "-c", "listen_addresses=127.0.0.1", "-c", "fsync=off")
        self.process = subprocess.Popen(
            (self.program, "-D", self.data, "-p", str(self.port), *options),
            **self.user,
            cwd="/",
            stderr=subprocess.DEVNULL,
        )
        eventually(self.is_ready, seconds=30)

    def is_ready(self):
        """Tell by the last line of its own file."""
        file = self.data / "postmaster.pid"
        return file.exists() and file.read_text().strip().endswith("ready")

    def signal(self, number):
        """Send it and all its processes a signal, each of which has a group of its own."""
        self.process.send_signal(number)
        children = subprocess.run(
            ("pgrep", "-P", str(self.process.pid)), capture_output=True, text=True
        )
        for pid in children.stdout.split():
            os.kill(int(pid), number)

    def stop(self):
        """Stop it at once, as a crash does."""
        self.process.send_signal(signal.SIGQUIT)
        self.process.wait(timeout=30)

    def __enter__(self):
        self.start()
        return self

    def __exit__(self, *_):
        if self.process.poll() is None:
            self.signal(signal.SIGCONT)
            self.stop()
        self.folder.cleanup()
