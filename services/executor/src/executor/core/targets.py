"""Which active actions have no target to act on: known before a plan is approved, not when it halts."""

from __future__ import annotations

from collections.abc import Collection

from common.declarations.catalogue import Catalogue


def without_address(catalogue: Catalogue, known: Collection[str]) -> list[str]:
    """A line for each system that a `sql` action needs and that is not among the `known` ones."""
    missing: dict[str, list[str]] = {}
    for name, action in sorted(catalogue.actions.items()):
        if action.provider == "sql" and action.system not in known:
            missing.setdefault(action.system, []).append(name)
    return [
        f"no address for {system}: {', '.join(names)} can't run. Name it: trueup targets add {system} --url DSN"
        for system, names in sorted(missing.items())
    ]
