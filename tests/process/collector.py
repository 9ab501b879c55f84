"""An OpenTelemetry collector for tests: takes spans over OTLP/HTTP, and can hang."""

import threading
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

from opentelemetry.proto.collector.trace.v1.trace_service_pb2 import ExportTraceServiceRequest


class Collector(ThreadingHTTPServer):
    """Listens on a free port for as long as the with block takes."""

    def __init__(self):
        super().__init__(("127.0.0.1", 0), Handler)
        self.url = f"http://127.0.0.1:{self.server_port}"
        self.requests = []
        self.hangs = False
        self.over = threading.Event()
        self.thread = threading.Thread(target=self.serve_forever, args=(0.05,))

    def __enter__(self):
        self.thread.start()
        return self

    def __exit__(self, *_):
        self.over.set()
        self.shutdown()
        self.thread.join()
        self.server_close()

    @property
    def spans(self):
        """All spans so far, in the order of their arrival."""
        return [
            span
            for request in list(self.requests)
            for resource in request.resource_spans
            for scope in resource.scope_spans
            for span in scope.spans
        ]

    @property
    def resource(self):
        """The attributes of the one resource that all spans came from."""
        found = [
            attributes(resource.resource)
            for request in self.requests
            for resource in request.resource_spans
        ]
        assert found.count(found[0]) == len(found)
        return found[0]


class Handler(BaseHTTPRequestHandler):
    def do_POST(self):
        body = self.rfile.read(int(self.headers["Content-Length"]))
        if self.server.hangs:
            self.server.over.wait()
            return
        assert self.path == "/v1/traces"
        self.server.requests.append(ExportTraceServiceRequest.FromString(body))
        self.send_response(200)
        self.send_header("Content-Length", "0")
        self.end_headers()

    def log_message(self, *_):
        pass


def attributes(carrier):
    """Return the attributes of a span or a resource as a dictionary."""
    return {a.key: getattr(a.value, a.value.WhichOneof("value")) for a in carrier.attributes}
