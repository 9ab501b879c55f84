"""The same for several workers, as its documentation shows."""

from bare.app import app
from prometheus_flask_exporter.multiprocess import GunicornPrometheusMetrics

metrics = GunicornPrometheusMetrics(app)
