"""The app of the tutorial that hellopod grew out of."""

import os

from flask import Flask

app = Flask(__name__)


@app.route("/")
def hello():
    return f"Hello from container {os.environ.get('HOSTNAME')}!"
