"""The bare app with prometheus-flask-exporter, as its documentation shows."""

from prometheus_flask_exporter import PrometheusMetrics

from bare.app import app

metrics = PrometheusMetrics(app)
