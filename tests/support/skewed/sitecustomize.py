"""Put first on a process's PYTHONPATH: its clock is off by the seconds that the file TRUEUP_TEST_SKEW holds now."""

import os
import time
from datetime import datetime, timedelta
from pathlib import Path

from common import clock

_right, _right_time = clock.wall_now, time.time


def _skew() -> float:
    return float(Path(os.environ["TRUEUP_TEST_SKEW"]).read_text("utf-8"))


def wall_now() -> datetime:
    return _right() + timedelta(seconds=_skew())


clock.wall_now = wall_now
time.time = lambda: _right_time() + _skew()
