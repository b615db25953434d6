"""The statement of an SQL action: one statement, named parameters, nothing that changes the schema."""

import re
from collections.abc import Iterable, Mapping

from common.declarations.problems import did_you_mean, refuse

CASE_PARAMETERS = frozenset({"case_id", "entity_key"})
"""Parameters that the executor fills from the case itself, beside the declared ones."""
LONGEST_STATEMENT = 4000
RECEIPTS = "trueup_receipts"
"""The executor's own table in every target: the proof that an action happened, or did not."""

# Escape strings (E'...', U&"...") come first: they end elsewhere than plain ones, and can spell a name in disguise.
_PIECE = re.compile(
    r"(?P<escaped>\b(?:[eE]|[uU]&)['\"])|(?P<skip>'(?:[^']|'')*'|\"(?:[^\"]|\"\")*\"|::)|(?P<bad>--|/\*|;|\$\$|\$\w*\$|\\|')|:(?P<name>[a-z_][a-z0-9_]*)"
)
_RECEIPTS = re.compile(rf"(?<![\w$]){RECEIPTS}(?![\w$])", re.IGNORECASE)
_AT = ("sql", "statement")
_VERBS = ("insert", "update", "delete", "merge", "with", "select")


def check_offered(provider: str, statement: str | None, parameters: Mapping[str, str]) -> None:
    """Refuse an action whose provider and statement do not go together, and a statement that `check` refuses."""
    if provider == "sql" and statement is None:
        hint = 'Add sql: {statement: "insert into requests ..."}, or write provider: manual.'
        refuse("bad_sql", "The provider sql needs a statement.", hint, ("provider",))
    if provider != "sql" and statement is not None:
        refuse("bad_sql", "Only the provider sql has a statement.", "Drop sql:, or write provider: sql.", ("sql",))
    if statement is not None:
        check(statement, parameters)


def check(statement: str, declared: Mapping[str, str]) -> None:
    """Refuse (as a pydantic validator does) a statement that is not one parameterised statement."""
    body = statement.strip().removesuffix(";")
    if not body or len(body) > LONGEST_STATEMENT or body.split()[0].lower() not in _VERBS:
        refuse(
            "bad_sql", "The statement must insert, update, delete or merge.", "Start it with one of these words.", _AT
        )
    for piece in _PIECE.finditer(body):
        if bad := piece["bad"] or piece["escaped"]:
            refuse(
                "bad_sql",
                f"{bad!r} is not allowed in a statement.",
                "Write one statement, without comments, semicolons, dollar quotes or escape strings.",
                _AT,
            )
    if _RECEIPTS.search(body):  # also inside quotes: a text may be run by a function of the target
        refuse(
            "receipts_named",
            f"The statement names {RECEIPTS}, which only the executor writes and reads.",
            "Leave it out: the receipt is written in the same transaction, by itself.",
            _AT,
        )
    for name in names(body):
        if name not in declared and name not in CASE_PARAMETERS:
            refuse(
                "unknown_parameter",
                f"The statement uses :{name}, which is not declared.",
                did_you_mean(name, [*declared, *CASE_PARAMETERS]),
                _AT,
            )
    for name in declared:
        if name not in names(body):
            refuse(
                "unused_parameter", f"The statement never uses :{name}.", "Use it, or drop it from parameters.", _AT
            )


def names(statement: str) -> tuple[str, ...]:
    """The named parameters of a statement, each once, in order of first use."""
    return tuple(dict.fromkeys(piece["name"] for piece in _PIECE.finditer(statement) if piece["name"]))


def numbered(statement: str, order: Iterable[str] | None = None) -> tuple[str, tuple[str, ...]]:
    """The statement with `:name` as `$1`, `$2`..., and the names in that order (as PostgreSQL drivers take it)."""
    chosen = tuple(order) if order is not None else names(statement)
    number = {name: index for index, name in enumerate(chosen, 1)}

    def place(piece: re.Match[str]) -> str:
        return f"${number[piece['name']]}" if piece["name"] else piece[0]

    return _PIECE.sub(place, statement.strip().removesuffix(";")), chosen
