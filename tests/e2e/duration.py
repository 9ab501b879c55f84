"""How long the tests under load run: short by default, long for the figures in the README."""

import os

FULL = os.environ.get("HELLOPOD_E2E_FULL") == "1"  # make e2e-full
