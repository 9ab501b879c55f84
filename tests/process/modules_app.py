"""An app that says what had been imported before it was."""

import sys

THERE = list(sys.modules)

import json  # noqa: E402


def application(environ, start_response):
    body = json.dumps(THERE).encode()
    start_response("200 OK", [("Content-Length", str(len(body)))])
    return [body]
