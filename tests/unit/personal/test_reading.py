"""A sensitive attribute decides rules in memory; all that is written down of it is what the row holds already."""

from __future__ import annotations

from dataclasses import replace
from datetime import UTC, date, datetime
from typing import Any

import pytest
from auditor.core import proving, wording
from common.declarations.catalogue import Catalogue
from common.declarations.evaluation import EntityView, evaluate
from common.declarations.loader import load
from common.declarations.values import Sensitive, Status, Unknown, shown, to_json
from common.entities import StoredEntity
from common.entities.rows import NEVER
from common.entities.views import opener_of, view_of
from common.facts import attribute_values, entity_facts
from common.sealing import ERASED, KEY_BYTES, SHOWN, Keys, SubjectKey, is_sealed, seal
from differ.core.findings import changes, failing_rule, find, fingerprint

from .test_declaring import PAGE

REF = ("file", "F-1")
KEY = bytes(range(KEY_BYTES))
KEYS: Keys = {REF: SubjectKey(KEY)}
ASOF = datetime(2023, 7, 3, tzinfo=UTC)
RULE = "when: alias == 'x' || state == 'x'"
DECLARED = PAGE.replace(RULE, "when: name != 'x' && born < today")
CATALOGUE = Catalogue().with_documents(load(DECLARED, "page.yaml").documents)
ROW = {"full_name": "Jane Doe", "born_on": "1980-02-01", "notes": "private", "state": "new", "id": "F-1"}


def sealed_row(**changes: Any) -> dict[str, Any]:
    row = {**ROW, **changes}
    hidden = CATALOGUE.entity_types["file"].sensitive_columns
    return {name: seal(value, KEY, REF, name) if name in hidden else value for name, value in row.items()}


def view(row: dict[str, Any], keys: Keys | None = KEYS) -> EntityView:
    entity = StoredEntity(REF, row, "crm", ASOF, "e-1", 1, ASOF, None, withdrawn=False)
    spec, reader = CATALOGUE.entity_types["file"], CATALOGUE.readers["file"]
    return view_of(spec, reader, entity, None if keys is None else opener_of(REF, keys))


def values(row: dict[str, Any], keys: Keys | None = KEYS) -> dict[str, Any]:
    return dict(view(row, keys).values)


def test_the_value_is_there_for_conditions_and_sealed_for_everything_else() -> None:
    row = sealed_row()
    name, born = values(row)["name"], values(row)["born"]
    assert (name.value, born.value) == ("Jane Doe", date(1980, 2, 1))
    assert (to_json(name), to_json(born)) == (row["full_name"], row["born_on"])
    assert (shown(name), str(name).count("Jane"), repr(name).count("Jane")) == (SHOWN, 0, 0)


def test_a_rule_reads_the_value_and_its_fact_carries_what_the_row_holds() -> None:
    row = sealed_row()
    state = CATALOGUE.compiled("files-checked")
    evaluation = evaluate(state, view(row), ASOF)
    assert evaluation.severity == "medium"
    (rule,) = (rule for rule in evaluation.rules if rule.name == "checked")
    assert rule.applies, "name != 'x' was decided"
    facts = {fact.name: fact.value for fact in rule.facts}
    assert (facts["name"], facts["born"]) == (row["full_name"], row["born_on"])
    assert attribute_values(entity_facts(state, view(row), ASOF))["name"] == row["full_name"]
    assert evaluate(state, view(sealed_row(full_name="VIP")), ASOF).severity == "high"


def test_a_gap_event_says_nothing_that_is_sensitive() -> None:
    state = CATALOGUE.compiled("files-checked")
    found = [find(state, REF, view(sealed_row(full_name=name)), ASOF) for name in ("Jane Doe", "Joe Doe")]
    gaps = [
        {"version": item.version, "severity": item.severity,
         "rules": [failing_rule(rule).model_dump(mode="json") for rule in item.failing]}
        for item in found
    ]  # fmt: skip
    assert fingerprint(found[0]) != fingerprint(found[1]), "another value is another finding"
    told = " ".join(changes(gaps[0], found[1]))
    assert f"name: {SHOWN} → {SHOWN}" in told
    for name in ("Jane Doe", "Joe Doe", "1980"):
        assert name not in f"{gaps} {told}"


@pytest.mark.parametrize(
    ("row", "keys", "reason"),
    [
        (sealed_row(), {REF: SubjectKey(None)}, "erased"),
        ({**sealed_row(), "born_on": ERASED}, KEYS, "erased"),
        (sealed_row(), {}, "its subject key is missing"),
        (sealed_row(), None, "born_on is sealed, and there are no subject keys here"),
        (ROW, KEYS, "born_on was reported before it was declared sensitive; report it again"),
        ({**sealed_row(), "born_on": seal("1980-02-01", KEY, ("file", "F-2"), "born_on")}, KEYS,
         "a sealed value of file/F-1 can't be opened with its key"),
    ],
)  # fmt: skip
def test_what_can_not_be_opened_is_unknown_and_why(row: dict[str, Any], keys: Keys | None, reason: str) -> None:
    slot = values(row, keys)["born"]
    assert slot == Unknown("undecided", reason)
    evaluation = evaluate(CATALOGUE.compiled("files-checked"), view(row, keys), ASOF)
    (rule,) = (rule for rule in evaluation.rules if rule.name == "checked")
    assert rule.status is Status.UNKNOWN
    assert reason in rule.reason


def test_a_sensitive_cell_that_can_not_be_read_is_not_quoted() -> None:
    assert values(sealed_row(born_on="Jane was born in May"))["born"] == Unknown(
        "unreadable", "born_on is not one date written as yyyy-MM-dd"
    )
    assert values({**sealed_row(), "born_on": None})["born"] == Unknown("absent", "born_on is empty")


def test_a_preview_of_a_file_reads_what_is_not_sealed_yet() -> None:
    assert values(ROW, None)["name"] == "Jane Doe"


# -- what an examiner without keys can tell


def test_a_cited_fact_is_compared_as_it_is_stored() -> None:
    row = sealed_row()
    again = proving.read_again(CATALOGUE, "file", row)
    assert (again.value("name"), again.value("state")) == (row["full_name"], "new")
    assert proving.read_again(CATALOGUE, "file", {**row, "full_name": "Jane Doe"}).value("name") is None


def test_a_narrative_names_a_sensitive_fact_and_not_its_value() -> None:
    fact = entity_facts(CATALOGUE.compiled("files-checked"), view(sealed_row()), ASOF)["name"]
    assert is_sealed(fact.value)
    assert wording.fact(fact) == f"name {SHOWN}"


def test_staleness_comes_before_everything() -> None:
    old = replace(view(sealed_row()).origin, fresh_until=NEVER)  # type: ignore[type-var]
    stale = replace(view(sealed_row()), origin=old)
    fact = entity_facts(CATALOGUE.compiled("files-checked"), stale, ASOF)["name"]
    assert (fact.value, (fact.unknown or "")[:5]) == (None, "stale")
    assert isinstance(view(sealed_row()).values["name"], Sensitive)


def test_what_is_kept_to_decide_faster_knows_no_sensitive_value() -> None:
    """An erasure destroys the key; nothing that was opened with it may stay in memory, in answers or in cells."""
    state, reader = CATALOGUE.compiled("files-checked"), CATALOGUE.readers["file"]
    evaluate(state, view(sealed_row(full_name="Jane Kept", born_on="1981-03-02")), ASOF)
    conditions = [item for rule in state.rules for item in (rule.when, rule.expect) if item is not None]
    conditions += [item for _, item in state.severity if item is not None]
    kept = [key for condition in conditions for key in condition.answers]
    kept += [
        cell.cell_contents for *_, read in (*reader._columns, *reader._sensitive) for cell in read.__closure__ or ()
    ]
    assert "Jane Kept" not in repr(kept) and "1981" not in repr(kept)
    assert "Sensitive" not in repr([[type(part).__name__ for part in key] for key in kept if isinstance(key, tuple)])
    assert evaluate(state, view(sealed_row(full_name="Jane Kept")), ASOF).severity == "medium"
