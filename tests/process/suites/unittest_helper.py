"""Stands in for the base of the exporter's tests: its source distribution has none."""

import re
import unittest

import flask
import prometheus_client
import prometheus_flask_exporter
from prometheus_client.parser import text_string_to_metric_families


class BaseTestCase(unittest.TestCase):
    """Has an app, its client, and assertions about what a scrape has."""

    def setUp(self):
        prometheus_client.REGISTRY = prometheus_client.CollectorRegistry(auto_describe=True)
        self.app = flask.Flask("app")
        self.app.testing = True
        self.client = self.app.test_client()

    def metrics(self, registry=None, **options):
        return prometheus_flask_exporter.PrometheusMetrics(self.app, registry=registry, **options)

    def found(self, name, labels, endpoint):
        """Return the values of a metric with these labels and no others."""
        response = self.client.get(endpoint)
        self.assertEqual(response.status_code, 200)
        wanted = {key: str(value) for key, value in labels}
        return [
            str(sample.value)
            for family in text_string_to_metric_families(response.text)
            for sample in family.samples
            if (sample.name, sample.labels) == (name, wanted)
        ]

    def assertMetric(self, name, value, *labels, endpoint="/metrics"):
        values = self.found(name, labels, endpoint)
        self.assertTrue([one for one in values if re.match(str(value), one)], (name, labels))

    def assertAbsent(self, name, *labels, endpoint="/metrics"):
        self.assertEqual(self.found(name, labels, endpoint), [])

    def assumeMinimumFlaskVersion(self, version):
        """Flask is newer than any that they ask for."""

    def assumeBeforeFlaskVersion(self, version):
        self.skipTest(f"is for Flask before {version}")
