"""What Git has beside what is active is said for as long as they differ, whoever made them differ."""

from __future__ import annotations

from approver.core.watched import MOST_NAMED, differences
from support.offices import SYSTEM, Office, code, from_git, merged, with_emails

BANK = SYSTEM.replace("name: ledger", "name: bank")
OTHER = SYSTEM.replace("Books.", "Other books.")


def office() -> Office:
    return Office(directory=with_emails(ann="ann@example.org"))


def from_main(made: Office, *texts: str) -> str:
    return merged(made, "ann@example.org", text="\n---\n".join(texts))


def test_nothing_is_said_where_nothing_comes_from_git() -> None:
    made = office()
    made.activate(made.propose(SYSTEM))
    assert differences(made.declarations) == []


def test_a_merge_that_nobody_activated_is_said_until_somebody_does() -> None:
    made = office()
    made.activate(from_main(made, SYSTEM))
    assert differences(made.declarations) == []
    proposal = from_main(made, OTHER, BANK)
    assert differences(made.declarations) == [
        "Git (d, main at cccccccccccc) differs from what is active; changed: System ledger; not active: System bank. "
        f"Nobody has activated {proposal} yet: trueup show {proposal}"
    ]
    made.activate(proposal)
    assert differences(made.declarations) == []


def test_what_was_changed_past_git_is_said() -> None:
    made = office()
    proposal = from_main(made, SYSTEM)
    made.activate(proposal)
    made.git = None
    made.activate(made.propose(OTHER))
    made.activate(made.propose(BANK))
    changed, only_active = differences(made.declarations)
    assert f"changed: System ledger. {proposal} was activated, and something else since" in changed
    assert only_active.startswith("active, and not in Git as proposed last: System bank.")
    made.activate(made.propose(SYSTEM))
    assert differences(made.declarations) == [only_active]


def test_a_branch_that_went_back_to_what_is_active_is_no_difference_and_what_it_had_can_not_be_activated() -> None:
    made = office()
    made.activate(from_main(made, SYSTEM, BANK))
    left = from_main(made, OTHER)
    assert differences(made.declarations)
    back = from_main(made, SYSTEM, BANK)
    assert differences(made.declarations) == []
    status = {name: made.declarations.status(proposal) for name, proposal in made.declarations.proposals.items()}
    assert (status[left], status[back]) == ("superseded", "active")
    assert code(lambda: made.activate(left)) == "superseded"
    assert code(lambda: made.activate(back)) == "nothing_to_change"
    assert code(lambda: from_main(made, SYSTEM, BANK)) == "nothing_to_change", "once"

    # It differs again, past Git: what the branch went back to is a proposal like any other.
    made.git = None
    made.activate(made.propose(OTHER))
    assert made.declarations.status(made.declarations.proposals[back]) == "proposed"
    assert f"Nobody has activated {back} yet" in differences(made.declarations)[0]
    made.activate(back)
    assert differences(made.declarations) == []


def test_only_what_comes_from_git_may_say_that_nothing_changes() -> None:
    made = office()
    made.activate(from_main(made, SYSTEM))
    from_main(made, OTHER)
    made.git = None
    assert code(lambda: made.propose(SYSTEM)) == "nothing_to_change"
    made.git = from_git("ann@example.org").model_copy(update={"path": "elsewhere"})
    assert code(lambda: made.propose(SYSTEM, git=made.git.digest if made.git else "")) == "nothing_to_change"


def test_the_latest_merge_counts_and_each_branch_for_itself() -> None:
    made = office()
    from_main(made, OTHER)
    made.activate(from_main(made, SYSTEM))
    assert differences(made.declarations) == []
    assert made.git is not None
    made.git = made.git.model_copy(update={"path": "bank"})
    made.activate(made.propose(BANK, git=made.git.digest))
    assert differences(made.declarations) == [], "what one branch has need not be in the other"


def test_only_so_many_are_named() -> None:
    made = office()
    from_main(made, *(SYSTEM.replace("name: ledger", f"name: s{number}") for number in range(MOST_NAMED + 2)))
    (told,) = differences(made.declarations)
    assert "System s4 and 2 more. Nobody" in told


def test_a_merge_that_names_no_author_is_activated_by_nobody() -> None:
    made = office()
    proposal = merged(made)
    assert code(lambda: made.activate(proposal)) == "authors_missing"
