"""Proves the promises on a real cluster. Talks to it alone: never imports the service."""

import pytest

# So that a failed assert there shows its values as one in a test does.
for module in (
    "app",
    "dev",
    "generator",
    "neighbours",
    "prometheus",
    "timeline",
    "variant",
    "watching",
):
    pytest.register_assert_rewrite(f"{__name__}.{module}")
