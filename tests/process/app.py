"""hellopod's app with handlers that write to the standard streams, as those of others do."""

import logging
import sys
import threading
import warnings

from tests.service.sample import create_app

app = create_app()


@app.get("/print")
def say():
    print("é" * 500)
    print("é" * 500, file=sys.stderr, flush=True)
    return "said"


@app.get("/fill")
def fill():
    """Five megabytes: more than an output holds."""
    for _ in range(5000):
        print("." * 999)
    return "filled"


@app.get("/raise")
def in_thread():
    """What Python says of a thread that fails, and of a warning, and of a log with a mistake."""
    thread = threading.Thread(target=lambda: 1 / 0)
    thread.start()
    thread.join()
    warnings.warn("warned" * 50, stacklevel=1)
    logging.getLogger("other").info("%d", "mistake")
    return "raised"


@app.get("/half")
def half():
    """Less than a line."""
    print("half", end="")
    return "printed"
