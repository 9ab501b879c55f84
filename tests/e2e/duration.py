"""How long the tests under load run: short by default, long for docs/e2e-full.txt."""

import os

FULL = os.environ.get("HELLOPOD_E2E_FULL") == "1"  # make e2e-full
