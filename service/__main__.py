"""`python -m service`: gunicorn with the settings of service/gunicorn_conf.py.

gunicorn looks at its options and at WEB_CONCURRENCY before it loads any settings, and ends with a
usage text or a traceback when one is wrong. Here they are loaded first: they check the environment.
"""

import sys
from importlib import import_module

GUNICORN_CONF = "service.gunicorn_conf"


def main() -> None:
    """Serve until a signal; exit with one sentence when something that was set is wrong."""
    given = sys.argv[1:]
    sys.argv[1:] = ["--config", f"python:{GUNICORN_CONF}", *given]
    import_module(GUNICORN_CONF)

    # Not above: these import gunicorn, and that reads WEB_CONCURRENCY while it is imported.
    from service import drain, gunicorn_options

    if other := gunicorn_options.parsed(given).config:
        drain.refuse_start(f"--config={other!a} is not allowed: start `gunicorn` with it")

    from gunicorn.app.wsgiapp import run

    run(prog="python -m service")


if __name__ == "__main__":
    main()
