"""hellopod's app with three things to close, and a request that takes its time."""

import logging
import time

from tests.service.sample import create_app

log = logging.getLogger("closing")
app = create_app()


def hang():
    log.warning("closing what hangs")
    time.sleep(60)


def fail():
    raise OSError("it is gone already")


closing = app.extensions["closing"]
closing.add(hang)
closing.add(fail)
closing.add(lambda: log.warning("closing the pool"))


@app.get("/endless")
def endless():
    log.warning("asked")
    time.sleep(60)


@app.get("/slow")
def slow():
    log.warning("asked")
    time.sleep(1)
    log.warning("the last answer")
    return "slow\n"
