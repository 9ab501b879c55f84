"""What a Service does: a pod for each connection, and no more for those that leave."""

import itertools
import select
import socket
import socketserver
import threading


class Balancer:
    """Listens on a free port; connections go to the backends in turn."""

    def __init__(self, *ports: int):
        self.backends = list(ports)
        self.turns = itertools.count()
        balancer = self

        class Handler(socketserver.BaseRequestHandler):
            def handle(self):
                balancer.forward(self.request)

        class Server(socketserver.ThreadingTCPServer):
            daemon_threads = True
            request_queue_size = 64

            def handle_error(self, request, client_address):
                """A backend that is not there ends the connection, as everywhere."""

        self.server = Server(("127.0.0.1", 0), Handler)
        self.url = f"http://127.0.0.1:{self.server.server_address[1]}/"

    def forward(self, client):
        backends = self.backends
        port = backends[next(self.turns) % len(backends)]
        with socket.create_connection(("127.0.0.1", port), timeout=10) as pod:
            other = {client: pod, pod: client}
            while True:
                for end in select.select([client, pod], [], [])[0]:
                    data = end.recv(65536)
                    if not data:
                        return
                    other[end].sendall(data)

    def __enter__(self):
        threading.Thread(target=self.server.serve_forever, args=(0.05,), daemon=True).start()
        return self

    def __exit__(self, *_):
        self.server.shutdown()
        self.server.server_close()
