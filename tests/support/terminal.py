"""Commands, as somebody types them."""

from __future__ import annotations

from collections.abc import Mapping
from functools import cache

import typer
import typer.testing
from typer.main import get_command
from typer.testing import CliRunner, Result

# What a command asks for is read from its annotations, which takes longer than most commands: once, not each time.
vars(typer.testing)["_get_command"] = cache(get_command)


def run(app: typer.Typer, *words: object, env: Mapping[str, str] | None = None) -> Result:
    return CliRunner().invoke(app, [str(word) for word in words], env=env)
