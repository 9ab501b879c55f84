"""An app that can take its pod out of service."""

from service.state import POD


def application(environ, start_response):
    POD.switched_off = environ["PATH_INFO"] == "/off"
    start_response("200 OK", [("Content-Length", "0")])
    return []
