"""Runs httpbin's own tests: `forwarding.py SUITE [PORT]`; with a port, on a server there.

Their client is Werkzeug's. It calls an app. With a port that app asks the server.
"""

import http.client
import json
import sys
import unittest

import httpbin
from werkzeug.test import Client

HOP_BY_HOP = {"connection", "keep-alive", "transfer-encoding"}


def forwarding(port):
    """Return a WSGI app that has a server answer."""

    def app(environ, start_response):
        names = [name for name in environ if name.startswith("HTTP_")]
        headers = {name[5:].replace("_", "-").title(): environ[name] for name in names}
        body = environ["wsgi.input"].read()
        if "CONTENT_TYPE" in environ:
            headers["Content-Type"] = environ["CONTENT_TYPE"]
        if "Transfer-Encoding" not in headers and (body or "CONTENT_LENGTH" in environ):
            headers["Content-Length"] = str(len(body))
        connection = http.client.HTTPConnection("127.0.0.1", port, timeout=30)
        target = environ["REQUEST_URI"]
        pieces = iter([body] if body else []) if "Transfer-Encoding" in headers else body
        chunked = "Transfer-Encoding" in headers
        connection.request(
            environ["REQUEST_METHOD"], target, pieces, headers, encode_chunked=chunked
        )
        response = connection.getresponse()
        answered = [pair for pair in response.getheaders() if pair[0].lower() not in HOP_BY_HOP]
        pieces = [response.read()]
        connection.close()
        start_response(f"{response.status} {response.reason}", answered)
        return pieces

    return app


class Ends(unittest.TestResult):
    """How each test ended."""

    def __init__(self):
        super().__init__()
        self.ends = {}

    def stopTest(self, test):
        failed = [text for one, text in self.failures + self.errors if one is test]
        self.ends[test.id()] = failed[0].splitlines()[-1] if failed else "passed"


def main(suite, port=None):
    sys.path.insert(0, suite)
    from tests import test_httpbin

    if port:
        httpbin.app.test_client = lambda: Client(forwarding(int(port)))
    result = Ends()
    unittest.defaultTestLoader.loadTestsFromModule(test_httpbin).run(result)
    print(json.dumps(result.ends))


if __name__ == "__main__":
    main(*sys.argv[1:])
