"""The command `trueup observe`.

Exit codes: 0 every row is stored, 2 some rows were refused or left out (they are listed), 1 it could not be done.
"""

from __future__ import annotations

import os
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Annotated

import typer
from common.clock import instant, parse_instant, wall_now
from common.declarations.models import EntityType
from common.errors import Refused
from rich.console import Console

from cli.imports import mappings, waiting
from cli.imports.formats import SAYS, format_of
from cli.imports.source import Source
from cli.imports.unread import Unread
from cli.observe import events, feeds
from cli.observe.sending import Import, Observer, Outcome, send, survey
from cli.people.screen import clean, print_json, say
from cli.preview.logs import columns_of
from cli.preview.states import source_of
from cli.preview.xes import is_xes
from cli.refusals import refusal
from cli.stack.state import find_url

SHOWN = 20
EXIT_COULD_NOT = 1
EXIT_LEFT_OUT = 2


def observe(  # noqa: PLR0913, PLR0917 - a command has as many parameters as options
    file: Annotated[Path | None, typer.Argument(help=f"A file ({SAYS}): one row an entity.")] = None,
    entity_type: Annotated[str, typer.Option("--type", help="The entity type that the rows are of.")] = "",
    feed: Annotated[str, typer.Option("--feed", help="The feed that reports; checked against the type's.")] = "",
    as_of: Annotated[
        str, typer.Option("--as-of", help="When the source held this to be so (now). Of a log: up to when.")
    ] = "",
    token: Annotated[
        str,
        typer.Option(
            "--token",
            help="The feed's token; see trueup feeds add.",
            envvar="TRUEUP_FEED_TOKEN",
        ),
    ] = "",
    url: Annotated[str, typer.Option("--url", help="The observer's address.", envvar="TRUEUP_OBSERVER_URL")] = "",
    sheet: Annotated[
        str, typer.Option("--sheet", help="The workbook's sheet, or the document's list, to read.")
    ] = "",
    header: Annotated[
        int, typer.Option("--header-row", min=0, help="The row that names the columns; without it, 1.")
    ] = 0,
    columns: Annotated[
        list[str],
        typer.Option("--map", help="COLUMN=ATTRIBUTE of a header with other names; kept beside the file."),
    ] = (),  # type: ignore[assignment]
    mapping: Annotated[
        Path | None,
        typer.Option("--mapping", help="The kept mapping of columns; without it, TYPE.mapping.yaml there."),
    ] = None,
    partial: Annotated[bool, typer.Option("--partial", help="What the file does not name is not missing.")] = False,
    simulated: Annotated[bool, typer.Option("--simulated", help="Mark the rows as made up.")] = False,
    as_json: Annotated[bool, typer.Option("--json", help="Print JSON on standard output.")] = False,
) -> None:
    """Report the rows of a file to the observer, as one snapshot of one entity type."""
    try:
        asked = Asked(_existing(file, sheet.strip(), header), tuple(columns), mapping)
        wanted = Import(asked.source, entity_type.strip(), _instant(as_of), not partial, simulated)
        address = url or find_url("observer")
        token = token or token_for(address, wanted.entity_type, feed)
        asked = replace(asked, until=wanted.as_of if as_of else "")
        wanted, outcome, unread = _send(wanted, asked, feed, address, token, as_json)
    except Refused as refused:
        _say_refusal(refused, as_json)
        raise typer.Exit(EXIT_COULD_NOT) from refused
    left_out = bool(outcome.refused or outcome.faults)
    if as_json:
        print_json(_as_json(outcome, wanted, unread))
    else:
        say(_page(outcome, wanted, unread))
    raise typer.Exit(EXIT_LEFT_OUT if left_out else 0)


@dataclass(frozen=True, slots=True)
class Asked:
    """The file as it was asked for: a header of 0 is where the kept mapping says, or the first row; `columns` are
    `--map` options, `mapping` the file that keeps them; of a log, only what happened `until` then."""

    source: Source
    columns: tuple[str, ...] = ()
    mapping: Path | None = None
    until: str = ""


def _send(
    wanted: Import, asked: Asked, feed: str, url: str, token: str, as_json: bool
) -> tuple[Import, Outcome, Unread]:
    with Observer(url, token) as observer, waiting.bar(as_json) as progress:
        _check_type(observer, wanted.entity_type)
        if feed:
            _same_feed(observer, wanted.entity_type, feed)
        spec = observer.declaration(wanted.entity_type)
        if spec.events is not None or is_xes(wanted.source.path):
            task = progress.add_task(f"{wanted.source.name} to the observer", total=events.size_of(wanted))
            columns = columns_of(spec) if spec.events is not None else None
            sent = events.send_events(
                observer, wanted, columns, asked.until, lambda read: progress.advance(task, read)
            )
            return wanted, sent, Unread()
        wanted = _mapped(wanted, asked, spec)
        task = progress.add_task(f"reading {wanted.source.name}", total=None)
        rows, unread = survey(wanted, spec, lambda count: progress.advance(task, count))
        progress.reset(task, description=f"{wanted.source.name} to the observer", total=rows)
        return wanted, send(observer, wanted, lambda count: progress.advance(task, count)), unread


def _mapped(wanted: Import, asked: Asked, spec: EntityType) -> Import:
    """What to send, with the kept mapping, made anew and kept where `--map` says something."""
    path = asked.mapping or mappings.path_for(asked.source, wanted.entity_type)
    kept = mappings.read(path) if path.is_file() or (asked.mapping is not None and not asked.columns) else None
    if kept is not None and kept.entity_type != wanted.entity_type:
        told = f"{path} maps columns to {kept.entity_type}, not to {wanted.entity_type}."
        raise Refused("bad_mapping", told, "Name another: --mapping FILE")
    given = asked.source
    part, header = given.part or (kept.part if kept else ""), given.header or (kept.header if kept else 1)
    source = Source(given.path, part, header)
    if asked.columns:
        columns = format_of(source).header(source)
        kept = mappings.made(kept, asked.columns, columns, source, (wanted.entity_type, spec))
        if columns:
            kept.check(source.name, columns)
        mappings.write(path, kept)
    return replace(wanted, source=source, mapping=kept)


def token_for(url: str, entity_type: str, feed: str) -> str:
    """The kept token of the feed that is named or, without one, of the feed that the entity type is reported by."""

    def source_of(any_token: str) -> str | None:
        with Observer(url, any_token) as observer:
            return next((known["source"] for known in observer.entity_types() if known["name"] == entity_type), None)

    return feeds.chosen(feeds.kept_tokens(), feed, source_of)


def _same_feed(observer: Observer, entity_type: str, feed: str) -> None:
    for known in observer.entity_types():
        if known["name"] == entity_type and known["source"] != feed:
            raise Refused(
                "feed_mismatch",
                f"{entity_type} is reported by {known['source']}, as its EntityType says, not by {feed}",
                f"Use --feed {known['source']} and that feed's token.",
            )


def _existing(file: Path | None, sheet: str, header: int) -> Source:
    """The file of FILE or FILE#SHEET."""
    if file is None:
        raise Refused("no_such_file", "there is no file", f"Name a file: {SAYS}.")
    source = source_of(str(file))
    if not os.access(source.path, os.R_OK):
        raise Refused("no_such_file", f"{source.path} can't be read", "Check its permissions.")
    return Source(source.path, sheet or source.part, header)


def _check_type(observer: Observer, given: str) -> None:
    if given:
        return
    active = [known["name"] for known in observer.entity_types()]
    hint = f"Add --type {active[0]}." if len(active) == 1 else f"Add --type and one of: {', '.join(active)}."
    none = "None is active yet: trueup apply FILE, and have it activated."
    raise Refused("option_missing", "the rows do not say of which entity type they are", hint if active else none)


def _instant(text: str) -> str:
    if not text:
        return instant(wall_now())
    try:
        return instant(parse_instant(f"{text}T00:00:00Z" if len(text) == 10 else text))
    except ValueError as error:
        raise Refused(
            "time_malformed", f"--as-of {text!r} is not an instant", "Write 2023-07-03 or 2023-07-03T12:00:00Z."
        ) from error


def _say_refusal(refused: Refused, as_json: bool) -> None:
    if as_json:
        print_json(refusal(refused))
        return
    screen = Console(stderr=True, highlight=False, soft_wrap=True, markup=False)
    screen.print(f"{refused.reason_code}: {clean(refused.message)}", style="red")
    if refused.what_to_do:
        screen.print(clean(refused.what_to_do), style="cyan")


def _page(outcome: Outcome, wanted: Import, unread: Unread) -> list[str]:
    counts = outcome.counts
    lines = [
        f"{wanted.source.name}: {outcome.rows:,} rows of {wanted.entity_type} reported by {outcome.feed}"
        + (f" as of {wanted.as_of}" if outcome.snapshot else ", each as of its own time"),
        f"  new or changed {counts['accepted']:,}   unchanged {counts['unchanged']:,}"
        f"   sent before {counts['duplicate']:,}   refused {counts['rejected']:,}",
    ]
    lines += [f"  line {line}: {code}: {clean(reason)}" for line, code, reason in outcome.refused[:SHOWN]]
    lines += [f"  {clean(fault)}" for fault in outcome.faults[:SHOWN]]
    hidden = max(0, len(outcome.refused) - SHOWN) + max(0, len(outcome.faults) - SHOWN)
    if hidden:
        lines.append(f"  and {hidden:,} more; all of them: --json")
    if wanted.mapping is not None:
        lines.append(f"  columns by the mapping that is kept for {wanted.entity_type}")
    lines += [f"  {clean(told)}" for told in unread.lines()]
    if wanted.complete and not outcome.complete and outcome.snapshot:
        lines.append("  Not counted as a complete snapshot, because rows were left out: nothing goes missing by it.")
    if outcome.total is not None and outcome.total != outcome.rows:
        lines.append(
            f"  The file counts {outcome.total:,} rows. Until as many are there, every {wanted.entity_type} is"
            " Unknown: mend the rows and send the file again (trueup status says what is missing)."
        )
    return lines


def _as_json(outcome: Outcome, wanted: Import, unread: Unread) -> dict[str, object]:
    return {
        "file": str(wanted.source.path),
        "entity_type": wanted.entity_type,
        "feed": outcome.feed,
        "snapshot": outcome.snapshot,
        "as_of": wanted.as_of,
        "complete": outcome.complete,
        "counts": outcome.counts,
        "refused": [{"line": line, "reason_code": code, "reason": reason} for line, code, reason in outcome.refused],
        "faults": outcome.faults,
        "could_not_read": unread.as_json(),
        "positions": outcome.positions,
        "control_total": outcome.total,
    }
