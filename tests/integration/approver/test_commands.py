"""The `trueup` commands against a running approver: what people type, see and get as exit codes."""

from __future__ import annotations

import asyncio
import json
from typing import Any

import pytest
from cli.main import app
from support.casework import FINDINGS
from support.office import Office
from support.walk import keys
from typer.testing import CliRunner, Result

pytestmark = pytest.mark.integration


@pytest.fixture(autouse=True)
def home(office: Office, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("TRUEUP_CONFIG_HOME", str(office.folder / "home"))
    monkeypatch.setenv("TRUEUP_URL", office.url)


async def trueup(*arguments: str) -> Result:
    return await asyncio.to_thread(lambda: CliRunner().invoke(app, list(arguments)))


async def answered(*arguments: str) -> Any:
    """The JSON that a command prints."""
    result = await trueup(*arguments, "--json")
    assert result.exit_code == 0, result.output
    return json.loads(result.stdout)


async def sign_in(office: Office, *people: str) -> None:
    for person in people:
        path = office.folder / "home" / office.realm.name / f"{person}.key"
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(keys()[person])
        path.chmod(0o600)
        result = await trueup("login", "--person", person)
        assert result.exit_code == 0, result.output


async def test_a_case_is_decided_from_the_command_line(office: Office) -> None:
    await office.open_gap()
    await sign_in(office, "j.moreau", "l.hansen", "r.osei")
    assert [line["key"] for line in await answered("gaps", "--as", "j.moreau", "--mine")] == ["2022-090"]
    done = await trueup("confirm", "2022-090", "-m", "The draft exists.", "--as", "j.moreau")
    assert done.exit_code == 0 and "Confirmed: money-findings-closed/2022-090/1, by J. Moreau" in done.output
    await office.sync()
    await office.make(office.walk.draft)

    shown = await trueup("show", "2022-090", "--as", "l.hansen")
    text = " ".join(shown.output.split())
    for expected in ("WHAT IS WRONG", "WHAT IS PROPOSED", "Set aside", "Change ticket", "The draft exists.",
                     "YOURS IS NEEDED: approve", "0 of 2 approvals", "trueup approve money-findings"):  # fmt: skip
        assert expected in text, shown.output
    digest = office.walk.case.ticket.data.digest  # type: ignore[union-attr]
    assert f"You approve exactly: {digest[:4]} {digest[4:8]}" in text

    wrong = await trueup("approve", "2022-090", "--exactly", "0000 0000", "--as", "l.hansen")
    assert wrong.exit_code == 2 and "stale_digest" in wrong.output
    right = await trueup("approve", "2022-090", "--exactly", digest[:8], "--as", "l.hansen")
    assert right.exit_code == 0, right.output
    twice = await trueup("approve", "2022-090", "--as", "l.hansen")
    assert twice.exit_code == 2 and "already_decided" in twice.output
    (answer,) = await answered("approve", "2022-090", "--as", "r.osei")
    assert answer["types"] == ["trueup.approval.given.v1", "trueup.plan.authorised.v1"]
    assert [line["stage"] for line in await answered("plans", "--as", "r.osei")] == ["authorised"]


async def test_work_by_hand_is_released_done_and_reported(office: Office) -> None:
    await office.open_ticket()
    await office.decide("l.hansen", "approve")
    await office.decide("r.osei", "approve")
    await office.make(office.walk.start, lambda: office.walk.intend(1), lambda: office.walk.succeed(1))
    await sign_in(office, "p.nakamura", "k.weber")
    assert (await trueup("release", "2022-090", "--as", "p.nakamura")).exit_code == 0
    await office.sync()
    await office.make(lambda: office.walk.intend(2))
    tasks = await trueup("tasks", "--mine", "--as", "k.weber")
    assert "publish-procedure" in tasks.output and "document: Control procedure for finding 2022-090" in tasks.output
    done = await trueup("outcome", "2022-090", "--done", "-m", "Version 4 is out.", "--as", "k.weber")
    assert done.exit_code == 0, done.output
    assert await answered("tasks", "--as", "k.weber") == []


async def test_declarations_are_applied_by_one_and_activated_by_another(office: Office) -> None:
    await sign_in(office, "t.brandt", "c.adeyemi")
    proposed = await trueup("apply", str(FINDINGS))
    assert proposed.exit_code == 0 and "Somebody else activates it" in proposed.output, proposed.output
    (proposal,) = await answered("proposals")
    own = await trueup("activate", proposal["id"])
    assert own.exit_code == 2 and "role_not_held" in own.output
    assert "It waits for somebody like you" in (await trueup("show", proposal["id"], "--as", "t.brandt")).output
    active = await trueup("activate", proposal["id"], "--as", "t.brandt")
    assert active.exit_code == 0 and "DesiredState money-findings-closed" in " ".join(active.output.split())
    again = await trueup("apply", str(FINDINGS))
    assert again.exit_code == 2 and "nothing_to_change" in again.output


async def test_a_faulty_file_is_told_with_its_line_and_nothing_is_sent(office: Office) -> None:
    await sign_in(office, "c.adeyemi")
    file = office.folder / "bad.yaml"
    file.write_text("apiVersion: trueup/v1alpha1\nkind: Sistem\nmetadata: {name: x}\nspec: {}\n")
    refused = await trueup("apply", str(file))
    assert refused.exit_code == 2 and "bad.yaml:2" in refused.output and "invalid_declaration" in refused.output
    missing = await trueup("apply", str(office.folder / "none.yaml"), "--json")
    assert missing.exit_code == 1 and json.loads(missing.stdout)["error"] == "no_such_file"
    assert await answered("proposals") == []


async def test_whoever_is_not_signed_in_is_told_how_to(office: Office) -> None:
    result = await trueup("cases")
    assert result.exit_code == 1 and "not_signed_in" in result.output and "trueup login" in result.output


async def test_a_login_keeps_key_and_token_private(office: Office) -> None:
    await sign_in(office, "l.hansen")
    folder = office.folder / "home" / office.realm.name
    assert {path.stat().st_mode & 0o077 for path in folder.iterdir()} == {0}
    assert keys()["l.hansen"] not in (folder / "l.hansen.session.json").read_text()
    (folder / "l.hansen.key").chmod(0o644)
    result = await trueup("login", "--person", "l.hansen")
    assert result.exit_code == 1 and "key_not_private" in result.output


async def test_a_new_key_is_made_once_and_only_its_public_half_is_shown(office: Office) -> None:
    made = await answered("login", "--person", "x.new", "--new-key")
    path = office.folder / "home" / office.realm.name / "x.new.key"
    assert path.stat().st_mode & 0o777 == 0o600
    assert made["public_key"] and path.read_text().strip() not in json.dumps(made)
    again = await trueup("login", "--person", "x.new", "--new-key")
    assert again.exit_code == 1 and "key_exists" in again.output
    stranger = await trueup("login", "--person", "x.new")
    assert stranger.exit_code == 2 and "person_unknown" in stranger.output


async def test_the_clock_is_shown_and_only_its_keeper_moves_it(office: Office) -> None:
    await sign_in(office, "l.hansen")
    shown = await trueup("clock", "show")
    assert "2 July 2023, 20:00" in shown.output and "replay clock" in shown.output  # midnight UTC, in New York
    moved = await trueup("clock", "advance", "2023-07-15")
    assert moved.exit_code == 2 and "role_not_held" in moved.output
    odd = await trueup("clock", "advance", "soonish")
    assert odd.exit_code == 1 and "2023-07-15" in odd.output


async def test_what_upstream_wrote_can_not_drive_the_terminal(office: Office) -> None:
    await office.declare()
    row = {"title": "Fine \x1b[2J\x1b]0;owned\x07", "department": "\x1b[31mX"}
    await office.make(lambda: office.walk.report("2023-07-01 00:00", simulated=False, **row), office.walk.open_gap)
    await office.decide("j.moreau", "confirm")
    await office.make(office.walk.draft)
    await sign_in(office, "l.hansen")
    shown = await trueup("show", "2022-090")
    assert shown.exit_code == 0 and "owned" in shown.output
    assert "\x1b" not in shown.output and "\x07" not in shown.output
