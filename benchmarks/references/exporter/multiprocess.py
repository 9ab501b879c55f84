"""The same for several workers, as its documentation shows."""

from prometheus_flask_exporter.multiprocess import GunicornPrometheusMetrics

from bare.app import app

metrics = GunicornPrometheusMetrics(app)
