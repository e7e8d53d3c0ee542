"""A module whose import takes longer than any machine may take to start."""

import time

time.sleep(600)
