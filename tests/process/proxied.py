"""Apps to put behind proxies, with handlers as users have them: compute, wait, compute."""

import hashlib
import time

from flask import Flask, jsonify, request

from tests.service.sample import create_app

WAIT = 0.01  # seconds, as of a database


def add_handlers(app: Flask) -> Flask:
    """Give an app the handlers that the tests ask for."""

    @app.route("/work", methods=["GET", "POST"])
    def work():
        """Say what the body was."""
        data = request.get_data()
        digest = hashlib.sha256(data).hexdigest()
        sum(range(20_000))
        time.sleep(float(request.args.get("seconds", WAIT)))
        sum(range(20_000))
        return jsonify(bytes=len(data), digest=digest)

    @app.get("/seen")
    def seen():
        """Say who asks, as a handler sees it."""
        return jsonify(client=request.remote_addr, scheme=request.scheme, host=request.host)

    return app


app = add_handlers(create_app())
plain = add_handlers(Flask(__name__))


@plain.get("/readyz")
def readyz():
    return "ready"
