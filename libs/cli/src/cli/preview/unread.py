"""What of the rows of a preview could not be read, cell by cell: of the selected entities, and of related ones."""

from collections.abc import Mapping, Sequence

from cli.imports.unread import Unread, unreadable
from cli.preview.preview import Preview
from cli.preview.states import State, StateRow


def of(found: Sequence[Preview], given: Mapping[str, State]) -> Unread:
    """Every such cell once, in the order of files and places; those of sheets and documents without a value first."""
    result = Unread()
    for state in given.values():
        result.join(state.unread)
    if not found:
        return result
    catalogue = found[0].catalogue
    for entity_type in given:
        spec, reader = catalogue.entity_types[entity_type], catalogue.readers[entity_type]
        for row in _rows(entity_type, found, given):
            for cell in unreadable(row.file, row.line, row.row, reader, spec):
                result.add(cell)
    return result


def _rows(entity_type: str, found: Sequence[Preview], given: Mapping[str, State]) -> list[StateRow]:
    """The rows that have such cells: as the previews saw them; of a type that none selects all, to be looked at."""
    selecting = [preview for preview in found if preview.state.spec.selector.entity == entity_type]
    if not selecting:
        return list(given[entity_type].rows.values())
    seen = {row.key: row for preview in selecting for rows in preview.unreadable.values() for row in rows}
    return [row for key, row in given[entity_type].rows.items() if key in seen]
