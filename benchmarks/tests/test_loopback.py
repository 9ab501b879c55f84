import subprocess
import sys
import threading
from http.server import BaseHTTPRequestHandler, HTTPServer


class Hello(BaseHTTPRequestHandler):
    def do_GET(self):
        self.send_response(200)
        self.send_header("Content-Length", "5")
        self.end_headers()
        self.wfile.write(b"Hello")


def test_asks_no_proxy():
    """In a process of its own, for its environment."""
    with HTTPServer(("127.0.0.1", 0), Hello) as server:
        threading.Thread(target=server.handle_request, daemon=True).start()
        script = "import sys; from benchmarks import loopback; print(loopback.get(sys.argv[1]))"
        done = subprocess.run(
            [sys.executable, "-c", script, f"http://127.0.0.1:{server.server_port}/"],
            env={"http_proxy": "http://127.0.0.1:1"},
            capture_output=True,
            text=True,
            timeout=30,
        )

    assert done.stdout == "b'Hello'\n", done.stderr
