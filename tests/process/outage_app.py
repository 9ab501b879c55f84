"""hellopod's app with a dependency on the port that the environment names, by real connections."""

import os
import socket
from contextlib import closing

from flask import Response, request

from service import background
from tests.service.sample import create_app

app = create_app()
PORT = int(os.environ["DATABASE_PORT"])


def ask():
    with closing(socket.create_connection(("127.0.0.1", PORT), timeout=1)):
        return "asked\n"


app.extensions["outages"].register("database", OSError)
app.extensions["dependencies"].require("database", ask, every=0.1, ready=False)
app.add_url_rule("/orders", view_func=ask)
background.every(0.1, ask, "asking")  # which does not say what it needs


@app.get("/stream")
def stream():
    """Fail where the status has been sent."""

    def parts():
        yield "first"
        yield ask()

    return Response(parts())


@app.get("/wrapped")
def wrapped():
    try:
        return ask()
    except OSError as error:
        raise LookupError("no order") from error


@app.get("/after")
@app.get("/teardown")
def succeed():
    return "ok"


@app.after_request
def note(response):
    if request.path == "/after":
        ask()
    return response


@app.teardown_request
def commit(_error):
    if request.path == "/teardown":
        ask()


@app.get("/first-part")
def first_part():
    return Response(ask() for _ in "a")


@app.get("/async")
async def asynchronous():
    return ask()


@app.get("/mistake")
def mistake():
    raise KeyError("a mistake")


@app.get("/mistaken-task")
def mistaken_task():
    background.every(0.1, mistake, "a mistaken task")
    return "begun"


@app.get("/asking-task")
def asking_task():
    background.every(0.1, ask, "asking too", app.extensions["outages"])
    return "begun"
