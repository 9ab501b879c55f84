"""A plugin for the test suites of others: what they test is replaced as the environment says.

A suite runs twice, without and with it, so it does nothing else but mend the suites themselves.
"""

import os

import _pytest.monkeypatch as monkeypatch
import flask
import prometheus_flask_exporter

monkeypatch.notset = monkeypatch.NOTSET  # as Flask's tests of before pytest 9 call it

if "OURS" in os.environ:
    from service.application import Application
    from service.exporter import Exporter

    flask.Flask = flask.app.Flask = Application
    prometheus_flask_exporter.PrometheusMetrics = Exporter
