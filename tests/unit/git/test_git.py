"""Declarations kept in Git: what is read, who wrote it, and what differs from what is active."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from cli.client import Client
from cli.git.comparing import compare, documents_of, joined
from cli.git.courier import Watch, look
from cli.git.reporting import rows
from cli.git.repository import GitFile, Repository
from common.declarations.loader import load
from common.errors import Refused
from common.events.approver import CommitAuthor, GitOrigin
from dulwich.objects import ObjectID
from dulwich.refs import Ref
from support.repositories import Merges

ANN, BOB = "Ann Author <Ann@Example.org>", "Bob <bob@example.org>"


def system(name: str, about: str = "Books.") -> str:
    return f"""
apiVersion: trueup/v1alpha1
kind: System
metadata: {{name: {name}}}
spec: {{about: {about}, owner: finance, production: true, financial: true}}
"""


@pytest.fixture
def merges(tmp_path: Path) -> Iterator[Merges]:
    made = Merges(tmp_path / "declarations")
    yield made
    made.close()


def active(*texts: str, commit: str | None = None) -> list[dict[str, Any]]:
    documents = [item for text in texts for item in load(text, "a.yaml").documents]
    return [{"kind": item.kind, "name": item.name, "digest": item.digest, "commit": commit} for item in documents]


class Realm:
    """What the courier asks of the approver."""

    def __init__(self) -> None:
        self.documents: list[dict[str, Any]] = []
        self.waiting: list[dict[str, Any]] = []
        self.origins: list[GitOrigin] = []
        self.texts: list[str] = []

    def active(self) -> dict[str, Any]:
        return {"documents": self.documents}

    def proposals(self) -> list[dict[str, Any]]:
        return self.waiting

    def propose_text(self, text: str, name: str, *, comment: str, git: GitOrigin) -> dict[str, Any]:
        self.origins.append(git)
        self.texts.append(text)
        return {"id": "p-1", "file": name, "comment": comment}


def courier(realm: Realm, merges: Merges, path: str = "") -> Any:
    client: Client = realm  # type: ignore[assignment]
    with Repository(merges.folder) as repository:
        return look(client, repository, Watch("main", path, "declarations"))


def test_a_merge_is_proposed_with_everybody_who_wrote_it_since(merges: Merges) -> None:
    realm = Realm()
    first = merges.commit(ANN, {"a.yaml": system("ledger")})
    merges.commit(BOB, {"README.md": "Not a declaration."})
    found = courier(realm, merges)
    assert (found.said, realm.origins[0].authors) == (
        "proposed", [CommitAuthor(name="Ann Author", email="ann@example.org", commits=1)],
    )  # fmt: skip
    assert realm.origins[0].base is None
    realm.documents = active(system("ledger"), commit=first)
    assert courier(realm, merges).said == "same"
    merges.commit(BOB, {"a.yaml": system("ledger", "Other books.")})
    tip = merges.commit(BOB, {"a.yaml": system("ledger", "All books.")})
    assert courier(realm, merges).said == "proposed"
    origin = realm.origins[-1]
    assert (origin.commit, origin.base) == (tip, first)
    assert origin.authors == [CommitAuthor(name="Bob", email="bob@example.org", commits=2)], "Ann's is active"


def test_what_came_from_elsewhere_has_the_authors_of_all_its_commits(merges: Merges) -> None:
    realm = Realm()
    merges.commit(ANN, {"a.yaml": system("ledger")})
    merges.commit(BOB, {"a.yaml": system("ledger", "Other.")})
    realm.documents = active(system("ledger"))  # applied by hand: from no commit
    courier(realm, merges)
    assert [one.email for one in realm.origins[0].authors] == ["ann@example.org", "bob@example.org"]


def test_a_file_that_was_moved_keeps_its_authors(merges: Merges) -> None:
    realm = Realm()
    merges.commit(ANN, {"a.yaml": system("ledger")})
    merges.commit(BOB, {"a.yaml": None, "folder/b.yaml": system("ledger")})
    courier(realm, merges, "folder")
    assert [one.email for one in realm.origins[0].authors] == ["ann@example.org", "bob@example.org"]


def test_a_change_under_the_old_name_counts_beside_a_branch_that_renames(merges: Merges) -> None:
    """Its commit is the newer one, so whoever follows names backwards in time has not heard of the old one yet."""
    first = merges.commit(ANN, {"a.yaml": system("ledger")})
    renamed = merges.commit(ANN, {"a.yaml": None, "b.yaml": system("ledger")})
    theirs, mallory = system("ledger", "All books are Mallory's."), "Mallory <mallory@example.org>"
    side = merges.write({"a.yaml": theirs}, mallory, [first])
    tip = merges.write({"b.yaml": theirs}, BOB, [renamed, side])
    with Repository(merges.folder) as repository:
        found = repository.authors(tip, [("b.yaml", first)])
    assert [one.email for one in found] == ["ann@example.org", "bob@example.org", "mallory@example.org"]


def test_a_shallow_clone_has_not_all_authors(merges: Merges) -> None:
    tip = merges.commit(ANN, {"a.yaml": system("ledger")})
    (merges.folder / ".git" / "shallow").write_text(f"{tip}\n")
    with pytest.raises(Refused) as caught:
        courier(Realm(), merges)
    assert caught.value.reason_code == "shallow_clone"


def test_a_submodule_is_no_file_and_a_name_must_be_text(merges: Merges) -> None:
    realm = Realm()
    tip = merges.write({"a.yaml": system("ledger"), "other.yaml": None}, ANN, [])
    with Repository(merges.folder) as repository:
        assert [file.path for file in repository.files(tip, "")] == ["a.yaml"]
    tip = merges.write({"a.yaml": system("ledger"), "b\udcff.yaml": system("other")}, ANN, [])
    merges.repo.refs[Ref(b"refs/heads/main")] = ObjectID(tip.encode())
    found = courier(realm, merges)
    assert (found.said, found.problem and found.problem.reason_code) == ("invalid", "bad_path")
    assert realm.origins == []


def test_a_base_that_history_no_longer_has_counts_for_nothing(merges: Merges) -> None:
    realm = Realm()
    merges.commit(ANN, {"a.yaml": system("ledger", "New.")})
    realm.documents = active(system("ledger"), commit="0" * 40)
    courier(realm, merges)
    assert [one.email for one in realm.origins[0].authors] == ["ann@example.org"]


def forced(merges: Merges, commit: str) -> None:
    """`git push --force`: the branch stands elsewhere."""
    merges.repo.refs[Ref(b"refs/heads/main")] = ObjectID(commit.encode())


def test_who_wrote_what_a_forced_push_takes_out_counts_and_who_wrote_what_is_back_too(merges: Merges) -> None:
    realm = Realm()
    first = merges.commit(ANN, {"a.yaml": system("ledger")})
    second = merges.commit(BOB, {"a.yaml": system("ledger", "Bob's books.")})
    merges.commit("Eve <eve@example.org>", {"README.md": "Not a declaration."})
    realm.documents = active(system("ledger", "Bob's books."), commit=second)
    forced(merges, first)
    found = courier(realm, merges)
    assert found.said == "proposed"
    assert [one.email for one in realm.origins[0].authors] == ["ann@example.org", "bob@example.org"]
    assert f"{second[:12]}, from which it came, is not in its history" in found.proposal["comment"]


def test_what_was_renamed_in_what_a_forced_push_takes_out_has_all_its_authors(merges: Merges) -> None:
    realm, eve = Realm(), "Eve <eve@example.org>"
    first = merges.commit(ANN, {"a.yaml": system("ledger")})
    merges.commit(BOB, {"a.yaml": None, "b.yaml": system("ledger")})
    active_at = merges.commit(eve, {"b.yaml": system("ledger", "Eve's books.")})
    realm.documents = active(system("ledger", "Eve's books."), commit=active_at)
    forced(merges, merges.write({"a.yaml": system("ledger", "Other.")}, "Mallory <mallory@example.org>", [first]))
    courier(realm, merges)
    assert [one.email.partition("@")[0] for one in realm.origins[0].authors] == ["ann", "bob", "eve", "mallory"]


def test_what_nobody_touched_since_has_the_authors_of_all_its_commits(merges: Merges) -> None:
    """What is active came from another folder, so that these files are as old as they are."""
    realm = Realm()
    merges.commit(ANN, {"new/a.yaml": system("ledger", "Ann's books.")})
    tip = merges.commit(BOB, {"old/a.yaml": system("ledger")})
    realm.documents = active(system("ledger"), commit=tip)
    courier(realm, merges, "new")
    assert [one.email for one in realm.origins[0].authors] == ["ann@example.org"]


def test_history_that_only_went_on_is_not_called_rewritten(merges: Merges) -> None:
    realm = Realm()
    first = merges.commit(ANN, {"a.yaml": system("ledger")})
    realm.documents = active(system("ledger"), commit=first)
    merges.commit(BOB, {"a.yaml": system("ledger", "Other.")})
    assert "history" not in courier(realm, merges).proposal["comment"]


def test_what_waits_is_not_proposed_again(merges: Merges) -> None:
    from common.proposals import set_digest  # noqa: PLC0415 - one test needs it

    realm = Realm()
    merges.commit(ANN, {"a.yaml": system("ledger")})
    (document,) = load(system("ledger"), "a.yaml").documents
    whole = set_digest([(document.kind, document.name, document.digest)])
    realm.waiting = [{"id": "p-9", "status": "proposed", "set_digest": whole}]
    found = courier(realm, merges)
    assert (found.said, found.proposal["id"], realm.origins) == ("waits", "p-9", [])


def test_a_branch_that_goes_back_to_what_is_active_takes_back_what_it_had(merges: Merges) -> None:
    realm = Realm()
    first = merges.commit(ANN, {"a.yaml": system("ledger")})
    realm.documents = active(system("ledger"), commit=first)
    there = {"repository": "declarations", "branch": "main", "path": ""}
    realm.waiting = [
        {"id": "p-1", "status": "proposed", "set_digest": "1", "git": there, "documents": [{"change": "changed"}]},
        {"id": "p-2", "status": "proposed", "set_digest": "2", "git": None, "documents": [{"change": "changed"}]},
        {"id": "p-3", "status": "proposed", "set_digest": "3", "git": {**there, "path": "x"},
         "documents": [{"change": "new"}]},
    ]  # fmt: skip
    merges.commit(BOB, {"a.yaml": system("ledger", "Other.")})
    merges.commit(BOB, {"a.yaml": system("ledger")})
    found = courier(realm, merges)
    assert (found.said, found.proposal["id"], found.differing) == ("same", "p-1", [])
    assert [one.email for one in realm.origins[0].authors] == ["bob@example.org"]
    assert realm.origins[0].base == first
    assert "name: ledger" in realm.texts[0]
    realm.waiting.append({**realm.waiting[0], "id": "p-4", "documents": [{"change": "unchanged"}]})
    assert courier(realm, merges).proposal is None, "once"
    assert len(realm.origins) == 1


def test_a_merge_that_can_not_be_read_is_said_and_not_proposed(merges: Merges) -> None:
    realm = Realm()
    merges.commit(ANN, {"a.yaml": "apiVersion: trueup/v1alpha1\nkind: Sytem\n"})
    found = courier(realm, merges)
    assert found.said == "invalid" and found.problem is not None
    assert (found.problem.reason_code, "a.yaml:2" in found.problem.message) == ("invalid_declaration", True)


def test_both_sides_are_compared_document_by_document() -> None:
    files = [GitFile("a.yaml", system("ledger", "New.") + "---" + system("bank")), GitFile("b.yaml", system("same"))]
    in_force = active(system("ledger"), system("same"), system("byhand"), commit="c1")
    found = compare(documents_of(files), in_force)
    assert {(item.name, item.standing) for item in found} == {
        ("ledger", "changed"), ("bank", "only in Git"), ("same", "same"), ("byhand", "only active"),
    }  # fmt: skip
    assert {(row["id"], row["in_git"] == row["active"]) for row in rows(found, "c2", "main")} == {
        ("System.ledger", False), ("System.bank", False), ("System.same", True), ("System.byhand", False),
    }  # fmt: skip


def test_the_joined_text_has_all_documents_of_all_files() -> None:
    files = [GitFile("a.yaml", "---" + system("one")), GitFile("b.yaml", system("two") + "\n---" + system("three"))]
    loaded = load(joined(files), "joined")
    assert not loaded.problems
    assert [item.digest for item in loaded.documents] == [item.digest for item in documents_of(files)]


@pytest.mark.parametrize(("branch", "code"), [("main", "no_such_file"), ("trunk", "no_such_branch")])
def test_what_is_not_there_is_said(merges: Merges, branch: str, code: str) -> None:
    commit = merges.commit(ANN, {"README.md": "Nothing."})
    with Repository(merges.folder) as repository, pytest.raises(Refused) as refused:
        repository.files(repository.tip(branch), "")
    assert refused.value.reason_code == code
    assert commit


def test_a_folder_without_a_repository_is_said(tmp_path: Path) -> None:
    with pytest.raises(Refused, match="no Git repository"):
        Repository(tmp_path)
