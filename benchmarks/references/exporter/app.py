"""The bare app with prometheus-flask-exporter, as its documentation shows."""

from bare.app import app
from prometheus_flask_exporter import PrometheusMetrics

metrics = PrometheusMetrics(app)
