"""The approver's API as a person uses it: sign in, look, decide. The private key never leaves this process.

Before it signs, the client recomputes every digest from what the service showed, so that nobody signs for something
else than they were shown.
"""

from __future__ import annotations

import secrets
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Self
from urllib.parse import quote

import httpx
from common.canonical import canonical
from common.clock import instant, wall_now
from common.erasures import APPROVER, REQUESTER, erasure_digest
from common.errors import Refused
from common.events.approver import Decision, DigestParts, GitOrigin
from common.events.differ import gap_digest
from common.events.planner import PlanDrafted
from common.ids import erasure_stream
from common.sealing import Subject
from common.signing import sign, sign_bytes

from cli import web
from cli.private_keys import read_key
from cli.shown import check_proposal, differs, previewed

TIMEOUT_S = 30.0
ADVANCE_TIMEOUT_S = 90.0
DECIDE_TIMEOUT_S = 180.0
"""A decision first takes in what the approver, which follows in the background, has not yet taken in."""
PAGE = 200
JSONObject = dict[str, Any]


class Away(Refused):
    """The service answered that it can't answer now: nothing was decided about what was asked."""


@dataclass(frozen=True, slots=True)
class Session:
    """Who is signed in where, until when (wall clock)."""

    url: str
    realm: str
    person: str
    name: str
    roles: tuple[str, ...]
    token: str
    expires: str


class Client:
    """One person's connection. Every method raises `Refused` with the service's reason code and advice.

    `transport` replaces the network (tests). Not for use by several threads at once.
    """

    def __init__(
        self,
        base_url: str,
        person: str,
        key_path: Path | str,
        *,
        session: Session | None = None,
        transport: httpx.BaseTransport | None = None,
    ) -> None:
        self.person = person
        self.session = session
        self._url = base_url.rstrip("/")
        self._key_path = Path(key_path)
        self._http = web.client(
            base_url=self._url, timeout=TIMEOUT_S, transport=transport, trust_env=not _is_local(self._url)
        )

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def close(self) -> None:
        self._http.close()

    def asked_realm(self) -> str:
        """The realm that the service says it is, before anybody is signed in."""
        return str(self._call("GET", "/v1/login")["realm"])

    def login(self) -> Session:
        """Sign in: sign a fresh statement with the person's key and get a token for twelve hours."""
        realm = self.asked_realm()
        made_at, nonce = instant(wall_now()), secrets.token_urlsafe(18)
        statement = {"trueup": "login/v1", "realm": realm, "person": self.person, "made_at": made_at, "nonce": nonce}
        signature = sign_bytes(canonical(statement), read_key(self._key_path))
        body = {"person": self.person, "made_at": made_at, "nonce": nonce, "signature": signature}
        answer = self._call("POST", "/v1/login", json=body)
        self.session = Session(
            url=self._url,
            realm=realm,
            person=answer["person"],
            name=answer["name"],
            roles=tuple(answer["roles"]),
            token=answer["token"],
            expires=answer["expires"],
        )
        return self.session

    def me(self) -> JSONObject:
        return self._call("GET", "/v1/me")

    def realm(self, quiescent_within: float | None = None) -> JSONObject:
        """{realm, mode, timezone, now, quiescent, behind}; at once, or as soon as it is quiescent, after
        `quiescent_within` (seconds, less than `TIMEOUT_S`) at the latest."""
        return self._call("GET", "/v1/realm", params={"quiescent_within": quiescent_within})

    def people(self) -> list[JSONObject]:
        return list(self._call("GET", "/v1/people")["people"])

    def cases(self, **filters: str | bool | None) -> Iterator[JSONObject]:
        """All cases that match: `stage`, `mine`, `desired_state`, `key` (as people know it), `planned`."""
        after: str | None = None
        while True:
            asked = {**filters, "after": after, "limit": PAGE}
            if filters.get("key") is None:
                page = self._call("GET", "/v1/cases", params=asked)
            else:  # a key may be somebody's name: nothing for an address
                body = {name: value for name, value in asked.items() if value is not None}
                page = self._call("POST", "/v1/cases/find", json=body)
            yield from page["cases"]
            after = page["next"]
            if after is None:
                return

    def case(self, case: str) -> JSONObject:
        """One case, whole (CasePage)."""
        return self._call("GET", f"/v1/cases/{case}")

    def tasks(self, *, mine: bool = False) -> list[JSONObject]:
        return list(self._call("GET", "/v1/tasks", params={"mine": mine})["tasks"])

    def decide(
        self,
        kind: str,
        case: str,
        *,
        comment: str = "",
        step: int | None = None,
        result: str | None = None,
        role: str | None = None,
        page: JSONObject | None = None,
    ) -> JSONObject:
        """Decide about a case: confirm, dispute, approve, refuse, return, release, outcome.

        Takes the decision that the case's page offers, checks it against what the page shows, signs it and posts
        it. `step` may be left out where only one can be meant; `page` is the case's page if it was fetched already
        (the service refuses a decision on what has changed since). Answers {case, stage, events, types, position}.
        """
        page = page or self.case(case)
        template = _offered(page, kind, step, role)
        if template is None:  # the service says why not
            params = {"case": case, "kind": kind, "step": step, "role": role}
            template = self._call("GET", "/v1/decisions/template", params=params)["decision"]
        decision = self._filled(template, comment=comment, result=result)
        _check_asked(decision, kind, case, self.person, step)
        _check_shown(decision, page)
        return self._decided("/v1/decisions", decision)

    def propose(self, path: Path, *, comment: str = "") -> JSONObject:
        """Propose the declarations in one file as one unit. Answers the proposal; another person activates it."""
        return self.propose_text(path.read_text("utf-8"), path.name, comment=comment)

    def propose_text(self, text: str, name: str, *, comment: str = "", git: GitOrigin | None = None) -> JSONObject:
        """As `propose`, of a text; with `git`: where it comes from, which is signed, too."""
        from common.declarations.loader import load  # noqa: PLC0415 - slow to import; only this command needs it
        from common.proposals import proposal_id, set_digest  # noqa: PLC0415

        loaded = load(text, name)
        if loaded.problems:
            found = "\n".join(str(problem) for problem in loaded.problems)
            raise Refused("invalid_declaration", found, f"Repair it and check with: trueup validate {name}")
        subject = set_digest((document.kind, document.name, document.digest) for document in loaded.documents)
        nonce = secrets.token_urlsafe(18)
        decision = Decision(
            kind="propose",
            realm=self._signed_in().realm,
            case=proposal_id(subject, self.person, nonce),
            person=self.person,
            role="declaration-author",
            subject=subject,
            made_at=instant(wall_now()),
            nonce=nonce,
            comment=comment,
            git=None if git is None else git.digest,
        )
        origin = {} if git is None else {"git": git.model_dump(mode="json", exclude_none=True)}
        return self._decided("/v1/proposals", decision, file=name, text=text, **origin)

    def proposals(self) -> list[JSONObject]:
        return list(self._call("GET", "/v1/proposals")["proposals"])

    def proposal(self, proposal: str) -> JSONObject:
        return self._call("GET", f"/v1/proposals/{proposal}")

    def active(self) -> JSONObject:
        """{realm, timezone, digest, documents}: what is in force."""
        return self._call("GET", "/v1/declarations")

    def activate(self, proposal: str, *, comment: str = "", page: JSONObject | None = None) -> JSONObject:
        """Activate another person's proposal. What is signed is recomputed from the documents as they are shown, and
        from what was shown of their consequences: `page` is what was shown; without it, what is shown now."""
        if page is None:
            try:
                return self.activate(proposal, comment=comment, page=self.proposal(proposal))
            except Refused as refused:
                if refused.reason_code != "preview_unseen":
                    raise
            page = self.proposal(proposal)  # the differ has worked it out meanwhile
        check_proposal(page)
        template = {
            "kind": "activate",
            "realm": self._signed_in().realm,
            "case": page["id"],
            "person": self.person,
            "role": "declaration-approver",
            "subject": page["set_digest"],
            **({"preview": page["preview"]["digest"]} if previewed(page) else {}),
        }
        decision = self._filled(template, comment=comment, result=None)
        return self._decided(f"/v1/proposals/{proposal}/activation", decision)

    def erasures(self) -> list[JSONObject]:
        """All erasures that were ever asked for."""
        return list(self._call("GET", "/v1/erasures")["erasures"])

    def known_as(self, subject: Subject) -> Subject:
        """The subject as the ledger knows it: by a pseudonym, where its key is sensitive."""
        found = self._call("POST", "/v1/erasures/subject", json={"entity_type": subject[0], "key": subject[1]})
        return found["entity_type"], found["key"]

    def ask_erasure(self, subject: Subject, *, comment: str = "") -> JSONObject:
        """Ask that a subject be erased; another person approves it. Answers the erasure."""
        template = self._erasure(subject, "erase", REQUESTER, erasure_digest(subject))
        decision = self._filled(template, comment=comment, result=None)
        return self._decided(_erasure_path(subject), decision)

    def approve_erasure(self, subject: Subject, *, comment: str = "") -> JSONObject:
        """Approve what another person asked. It can't be taken back."""
        asked = [item for item in self.erasures() if (item["entity_type"], item["key"]) == subject]
        if not asked:
            raise Refused(
                "erasure_unknown",
                f"nobody has asked to erase {'/'.join(subject)}",
                "List them: trueup ledger erasures",
            )
        template = self._erasure(subject, "approve_erasure", APPROVER, asked[0]["request"])
        decision = self._filled(template, comment=comment, result=None)
        return self._decided(f"{_erasure_path(subject)}/approval", decision)

    def _erasure(self, subject: Subject, kind: str, role: str, digest: str) -> JSONObject:
        return {
            "kind": kind,
            "realm": self._signed_in().realm,
            "case": erasure_stream(*subject),
            "person": self.person,
            "role": role,
            "subject": digest,
        }

    def advance(self, to: str) -> JSONObject:
        """Move a replay clock to `to` (RFC 3339). Waits until all services have handled what came before."""
        return self._call("POST", "/v1/clock", json={"to": to}, timeout=ADVANCE_TIMEOUT_S)

    def _filled(self, template: JSONObject, *, comment: str, result: str | None) -> Decision:
        fresh: JSONObject = {"made_at": instant(wall_now()), "nonce": secrets.token_urlsafe(18), "comment": comment}
        if result is not None:
            fresh["result"] = result
        return Decision.model_validate({**template, **fresh})

    def _decided(self, path: str, decision: Decision, **extra: Any) -> JSONObject:
        signature = sign(decision, read_key(self._key_path))
        body = {**extra, "decision": decision.model_dump(mode="json", exclude_none=True), "signature": signature}
        return self._call("POST", path, json=body, timeout=DECIDE_TIMEOUT_S)

    def _signed_in(self) -> Session:
        if self.session is None:
            raise Refused("not_signed_in", "nobody is signed in here", "Sign in first: trueup login --person YOU")
        return self.session

    def _call(self, method: str, path: str, **given: Any) -> JSONObject:
        headers = {"authorization": f"Bearer {self.session.token}"} if self.session else {}
        if "params" in given:
            given["params"] = {name: _plain(value) for name, value in given["params"].items() if value is not None}
        try:
            response = self._http.request(method, path, headers=headers, **given)
        except httpx.HTTPError as error:
            raise self._unreachable(error) from error
        return _body(response)

    def _unreachable(self, error: httpx.HTTPError) -> Refused:
        if self.session is None:
            what = "Is it running? Look with: trueup status"
            return Refused("unreachable", f"the approver at {self._url} does not answer: {error}", what)
        return Refused(
            "unreachable",
            f"{self.person} is signed in at {self._url} (realm {self.session.realm}), which does not answer: {error}",
            f"Start it again (trueup up), or sign in where the realm is now: trueup login --person {self.person}",
        )


def _is_local(url: str) -> bool:
    """Whether the address is this machine's own, which no proxy can reach."""
    return httpx.URL(url).host in ("127.0.0.1", "localhost", "::1")


def _erasure_path(subject: Subject) -> str:
    return f"/v1/erasures/{quote(subject[0], safe='')}/{quote(subject[1], safe='')}"


def _plain(value: object) -> str:
    return ("true" if value else "false") if isinstance(value, bool) else str(value)


def _body(response: httpx.Response) -> JSONObject:
    try:
        body = response.json()
    except ValueError as error:
        status = response.status_code
        raise Refused("not_the_approver", f"the answer is not JSON (HTTP {status})", "Check the --url.") from error
    if response.is_success and isinstance(body, dict):
        return body
    if isinstance(body, dict) and "reason_code" in body:
        code, message, what = (str(body.get(part, "")) for part in ("reason_code", "message", "what_to_do"))
        if response.is_server_error:
            raise Away(code, message, f"{what} See what runs: trueup status".lstrip())
        raise Refused(code, message, what)
    raise Refused("not_the_approver", f"HTTP {response.status_code}: {str(body)[:200]}", "Check the --url.")


def _offered(page: JSONObject, kind: str, step: int | None, role: str | None) -> JSONObject | None:
    """The decision of this kind that the page offers, or None. Raises `Refused` when it could be several."""
    offers: list[JSONObject] = [action["decision"] for action in page["actions"] if action["kind"] == kind]
    offers = [offer for offer in offers if step in (None, offer.get("step")) and role in (None, offer["role"])]
    if len(offers) > 1:
        steps = ", ".join(str(offer.get("step")) for offer in offers)
        raise Refused("which_step", f"you could {kind} any of the steps {steps}", "Say which: --step NUMBER")
    return offers[0] if offers else None


def _check_asked(decision: Decision, kind: str, case: str, person: str, step: int | None) -> None:
    if (decision.kind, decision.case, decision.person) != (kind, case, person) or step not in (None, decision.step):
        raise differs("the service asked you to sign another decision than the one you meant")


def _check_shown(decision: Decision, page: JSONObject) -> None:
    """Raise `Refused` (`shown_differs`) unless the decision is about exactly what the page shows."""
    if decision.kind in ("confirm", "dispute"):
        gap = page["gap"]["data"]
        shown = gap_digest(gap["version"], [(rule["name"], rule["status"]) for rule in gap["rules"]])
    elif decision.kind == "outcome":
        intents = {said["data"]["step"]: said["id"] for said in page["execution"] if "intended" in said["type"]}
        shown = str(intents.get(decision.step))
    elif decision.kind == "resume":
        shown = str((page.get("suspension") or {}).get("id"))
    else:
        parts = DigestParts.model_validate(page["ticket"]["data"]["parts"])
        plan = PlanDrafted.model_validate(page["plan"]["data"])
        if parts.plan != plan.recompute_content_digest():
            raise differs("the ticket is for another plan than the one shown")
        shown = parts.digest
    if shown != decision.subject:
        raise differs(f"what you would sign ({decision.subject[:12]}) is not what is shown ({shown[:12]})")
