"""An app that takes its time to load."""

import time

from tests.runtime.app import application

time.sleep(5)

__all__ = ["application"]
