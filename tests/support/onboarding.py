"""The log of the onboarding example, which is not the project's to pass on."""

from __future__ import annotations

import pytest
from cli.demo.onboarding_log import LOG
from cli.demo.scene import EXAMPLES

DECLARATION = EXAMPLES / "onboarding" / "onboarding.yaml"
needs_log = pytest.mark.skipif(
    not LOG.is_file(), reason=f"the BPI Challenge 2012 log is not there: {LOG} (examples/onboarding/SOURCE.md)"
)
