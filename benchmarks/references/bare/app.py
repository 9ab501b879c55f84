"""Flask and nothing else, with answers of the same size as hellopod's."""

import os

from flask import Flask, request

POD = os.environ.get("HOSTNAME", "unknown")

app = Flask(__name__)


@app.get("/")
def hello():
    return f"Hello from container {POD}!\n"


@app.get("/api/identity")
def identity():
    return {
        "pod": POD,
        "namespace": None,
        "node": None,
        "pod_ip": None,
        "service_account": None,
        "version": "0.1.0",
        "revision": None,
        "worker_pid": os.getpid(),
        "started_at": "2026-01-01T00:00:00+00:00",
        "draining": False,
    }


@app.post("/echo")
def echo():
    return request.json
