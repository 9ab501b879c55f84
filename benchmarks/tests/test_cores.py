import os
import resource
import subprocess
import sys

from benchmarks import cores


def test_one_core_is_not_enough():
    [core, *_] = os.sched_getaffinity(0)
    script = f"import os; os.sched_setaffinity(0, {{{core}}}); from benchmarks import cores; "

    done = subprocess.run(
        [sys.executable, "-c", script + "cores.available()"], capture_output=True, text=True
    )

    assert (done.returncode, done.stderr) == (1, "benchmarks: needs CPUs 0 and 1\n")


def test_a_process_has_its_core_and_many_files():
    [core, *_] = os.sched_getaffinity(0)
    script = (
        "import os, resource; print(os.sched_getaffinity(0), "
        "*resource.getrlimit(resource.RLIMIT_NOFILE))"
    )

    def begin():
        most = resource.getrlimit(resource.RLIMIT_NOFILE)[1]
        resource.setrlimit(resource.RLIMIT_NOFILE, (64, most))
        cores.on(core)()

    done = subprocess.run(
        [sys.executable, "-c", script], preexec_fn=begin, stdout=subprocess.PIPE, text=True
    )

    most = resource.getrlimit(resource.RLIMIT_NOFILE)[1]
    assert done.stdout == f"{{{core}}} {most} {most}\n"
