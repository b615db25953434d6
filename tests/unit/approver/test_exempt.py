"""People go on with nothing that is accepted or ignored; refusing it and sending it back stay possible."""

from __future__ import annotations

import pytest
from common.errors import Refused
from support.desk import decided, signed, ticketed
from support.walk import opened


@pytest.mark.parametrize("kind", ["accepted", "ignored"])
def test_what_is_to_be_left_alone_is_neither_confirmed_nor_approved(kind: str) -> None:
    walk = opened()
    gap = walk.case.gap
    assert gap is not None
    exempt = {rule.name: kind for rule in gap.data.rules}
    with pytest.raises(Refused, match=f"gap_{kind}"):
        decided(walk, *signed(walk, "confirm", "j.moreau", "head-of-compliance"), exempt=exempt)
    assert decided(walk, *signed(walk, "dispute", "j.moreau", "head-of-compliance"), exempt=exempt) == [
        "gap.disputed"
    ]
    walk = ticketed()
    with pytest.raises(Refused, match=f"gap_{kind}"):
        decided(walk, *signed(walk, "approve", "l.hansen", "compliance-lead"), exempt=exempt)
    assert decided(walk, *signed(walk, "refuse", "l.hansen", "compliance-lead"), exempt=exempt)
