"""The command `trueup observe`.

Exit codes: 0 every row is stored, 2 some rows were refused or left out (they are listed), 1 it could not be done.
"""

from __future__ import annotations

import os
import sys
from pathlib import Path
from typing import Annotated

import typer
from common.clock import instant, parse_instant, wall_now
from common.errors import Refused
from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeRemainingColumn

from cli.observe import feeds
from cli.observe.sending import Import, Observer, Outcome, count_rows, send
from cli.people.screen import clean, print_json, say
from cli.stack.state import find_url

SHOWN = 20
EXIT_COULD_NOT = 1
EXIT_LEFT_OUT = 2


def observe(  # noqa: PLR0913, PLR0917 - a command has as many parameters as options
    file: Annotated[Path | None, typer.Argument(help="A CSV or JSONL file: one row an entity.")] = None,
    entity_type: Annotated[str, typer.Option("--type", help="The entity type that the rows are of.")] = "",
    feed: Annotated[str, typer.Option("--feed", help="The feed that reports; checked against the type's.")] = "",
    as_of: Annotated[str, typer.Option("--as-of", help="When the source held this to be so; without it, now.")] = "",
    token: Annotated[
        str,
        typer.Option(
            "--token",
            help="The feed's token; see trueup feeds add.",
            envvar="TRUEUP_FEED_TOKEN",
        ),
    ] = "",
    url: Annotated[str, typer.Option("--url", help="The observer's address.", envvar="TRUEUP_OBSERVER_URL")] = "",
    partial: Annotated[bool, typer.Option("--partial", help="What the file does not name is not missing.")] = False,
    simulated: Annotated[bool, typer.Option("--simulated", help="Mark the rows as made up.")] = False,
    as_json: Annotated[bool, typer.Option("--json", help="Print JSON on standard output.")] = False,
) -> None:
    """Report the rows of a file to the observer, as one snapshot of one entity type."""
    try:
        wanted = Import(_existing(file), entity_type.strip(), _instant(as_of), not partial, simulated)
        address = url or find_url("observer")
        outcome = _send(wanted, feed, address, token or _token(address, wanted.entity_type, feed), as_json)
    except Refused as refused:
        _say_refusal(refused, as_json)
        raise typer.Exit(EXIT_COULD_NOT) from refused
    left_out = bool(outcome.refused or outcome.faults)
    if as_json:
        print_json(_as_json(outcome, wanted))
    else:
        say(_page(outcome, wanted))
    raise typer.Exit(EXIT_LEFT_OUT if left_out else 0)


def _send(wanted: Import, feed: str, url: str, token: str, as_json: bool) -> Outcome:
    silent = as_json or not sys.stderr.isatty()
    columns = (TextColumn("{task.description}"), BarColumn(), MofNCompleteColumn(), TimeRemainingColumn())
    with (
        Observer(url, token) as observer,
        Progress(*columns, console=Console(stderr=True), transient=True, disable=silent) as progress,
    ):
        _check_type(observer, wanted.entity_type)
        if feed:
            _same_feed(observer, wanted.entity_type, feed)
        task = progress.add_task(f"{wanted.file.name} to the observer", total=count_rows(wanted.file))
        return send(observer, wanted, lambda rows: progress.advance(task, rows))


def _token(url: str, entity_type: str, feed: str) -> str:
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


def _existing(file: Path | None) -> Path:
    if file is None or not file.is_file():
        raise Refused("no_such_file", f"there is no file {file or ''}".rstrip(), "Name a CSV or JSONL file.")
    if not os.access(file, os.R_OK):
        raise Refused("no_such_file", f"{file} can't be read", "Check its permissions.")
    return file


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
        print_json({"error": refused.reason_code, "message": refused.message, "what_to_do": refused.what_to_do})
        return
    screen = Console(stderr=True, highlight=False, soft_wrap=True, markup=False)
    screen.print(f"{refused.reason_code}: {clean(refused.message)}", style="red")
    if refused.what_to_do:
        screen.print(clean(refused.what_to_do), style="cyan")


def _page(outcome: Outcome, wanted: Import) -> list[str]:
    counts = outcome.counts
    lines = [
        f"{wanted.file.name}: {outcome.rows:,} rows of {wanted.entity_type} reported by {outcome.feed}"
        f" as of {wanted.as_of}",
        f"  new or changed {counts['accepted']:,}   unchanged {counts['unchanged']:,}"
        f"   sent before {counts['duplicate']:,}   refused {counts['rejected']:,}",
    ]
    lines += [f"  line {line}: {code}: {clean(reason)}" for line, code, reason in outcome.refused[:SHOWN]]
    lines += [f"  {clean(fault)}" for fault in outcome.faults[:SHOWN]]
    hidden = max(0, len(outcome.refused) - SHOWN) + max(0, len(outcome.faults) - SHOWN)
    if hidden:
        lines.append(f"  and {hidden:,} more; all of them: --json")
    if wanted.complete and not outcome.complete:
        lines.append("  Not counted as a complete snapshot, because rows were left out: nothing goes missing by it.")
    if outcome.total is not None and outcome.total != outcome.rows:
        lines.append(
            f"  The file counts {outcome.total:,} rows. Until as many are there, every {wanted.entity_type} is"
            " Unknown: mend the rows and send the file again (trueup status says what is missing)."
        )
    return lines


def _as_json(outcome: Outcome, wanted: Import) -> dict[str, object]:
    return {
        "file": str(wanted.file),
        "entity_type": wanted.entity_type,
        "feed": outcome.feed,
        "snapshot": outcome.snapshot,
        "as_of": wanted.as_of,
        "complete": outcome.complete,
        "counts": outcome.counts,
        "refused": [{"line": line, "reason_code": code, "reason": reason} for line, code, reason in outcome.refused],
        "faults": outcome.faults,
        "positions": outcome.positions,
        "control_total": outcome.total,
    }
