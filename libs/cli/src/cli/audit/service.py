"""The auditor's API as an examiner uses it. It only reads."""

from __future__ import annotations

import os
from collections.abc import Iterator, Sequence
from typing import Any, Self
from urllib.parse import quote

import httpx
from common.errors import Refused

from cli import web
from cli.people import sessions

TIMEOUT_S = 30.0
POSITIONS = 200
JSONObject = dict[str, Any]


def token(person: str | None) -> str:
    """Who asks: TRUEUP_TOKEN, else the session of `trueup login`. Raises `Refused` (`not_signed_in`)."""
    if given := os.environ.get("TRUEUP_TOKEN"):
        return given
    with sessions.connect(person) as client:
        if client.session is None:
            raise Refused("not_signed_in", "nobody is signed in here", "Sign in first: trueup login --person YOU")
        return client.session.token


class Auditor:
    """A connection to an auditor. Methods raise `Refused`: `unreachable`, or the service's own reason code."""

    def __init__(self, url: str, bearer: str, transport: httpx.BaseTransport | None = None) -> None:
        self.url = url.rstrip("/")
        self._http = web.client(
            base_url=self.url,
            timeout=TIMEOUT_S,
            headers={"authorization": f"Bearer {bearer}"},
            transport=transport,
            trust_env=httpx.URL(self.url).host not in ("127.0.0.1", "localhost", "::1"),
        )

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self._http.close()

    def document(self, case: str) -> bytes:
        """The attestation of a case, byte for byte."""
        return self._get(f"/v1/attestations/{quote(case)}").content

    def bundle(self, case: str) -> Iterator[bytes]:
        """The bundle of an attested case, in parts. Raises `Refused` while it is read, too (`incomplete`)."""
        try:
            with self._http.stream("GET", f"/v1/exports/{quote(case)}") as response:
                if not response.is_success:
                    response.read()
                    raise self._refused(response)
                yield from response.iter_bytes()
        except httpx.RemoteProtocolError as error:
            told = f"the auditor at {self.url} broke off: {error}"
            raise Refused("incomplete", told, "Try again.") from error
        except (httpx.HTTPError, httpx.InvalidURL) as error:
            raise self._unreachable(error) from error

    def case(self, case: str) -> JSONObject:
        return self._json(f"/v1/cases/{quote(case)}")

    def find(self, key: str) -> tuple[list[JSONObject], str]:
        """The cases of the entity that people know by this key, and what there is to say when there is none."""
        body = self._read(self._asked("POST", "/v1/cases/find", json={"key": key}))
        return list(body["cases"]), str(body["note"])

    def objectives(self, at: str | None = None) -> list[JSONObject]:
        """Each objective as it was measured last, or had been by the instant `at`."""
        return list(self._json("/v1/objectives", {"at": at} if at else None)["objectives"])

    def timeline(self, case: str) -> JSONObject:
        return self._json(f"/v1/cases/{quote(case)}/timeline")

    def events(self, positions: Sequence[int]) -> dict[int, str]:
        """The exact bytes, as text, of the events at these positions; those that don't exist are left out."""
        found: dict[int, str] = {}
        for start in range(0, len(positions), POSITIONS):
            asked = [("position", str(position)) for position in positions[start : start + POSITIONS]]
            for item in self._json("/v1/events", asked)["events"]:
                found[int(item["position"])] = str(item["event"])
        return found

    def _json(self, path: str, params: Any = None) -> JSONObject:
        return self._read(self._get(path, params))

    def _read(self, response: httpx.Response) -> JSONObject:
        try:
            body = response.json()
        except ValueError as error:
            raise Refused("not_the_auditor", f"{self.url} does not answer in JSON", "Check the address.") from error
        if not isinstance(body, dict):
            raise Refused("not_the_auditor", f"{self.url} answers something else", "Check the address.")
        return body

    def _get(self, path: str, params: Any = None) -> httpx.Response:
        return self._asked("GET", path, params=params)

    def _asked(self, method: str, path: str, **given: Any) -> httpx.Response:
        try:
            response = self._http.request(method, path, **given)
        except (httpx.HTTPError, httpx.InvalidURL) as error:
            raise self._unreachable(error) from error
        if response.is_success:
            return response
        raise self._refused(response)

    def _unreachable(self, error: Exception) -> Refused:
        told = f"the auditor at {self.url} does not answer: {error or type(error).__name__}"
        return Refused("unreachable", told, "Is it running? Look with: trueup status")

    def _refused(self, response: httpx.Response) -> Refused:
        try:
            body = response.json()
            return Refused(str(body["reason_code"]), str(body["message"]), str(body.get("what_to_do", "")))
        except (ValueError, KeyError, TypeError):
            return Refused("not_the_auditor", f"HTTP {response.status_code} from {self.url}", "Check the address.")
