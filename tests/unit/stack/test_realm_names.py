"""Names and addresses derived from a realm."""

from __future__ import annotations

import pytest
from cli.stack.errors import StackError
from cli.stack.realm import check_name, database_url


@pytest.mark.parametrize("name", ["Demo", "1st", "a-b", "", "a" * 32, "x;drop", "a.b"])
def test_a_name_that_could_mean_something_else_is_refused(name: str) -> None:
    with pytest.raises(StackError) as refusal:
        check_name(name)
    assert refusal.value.reason_code == "realm_name"
    assert refusal.value.what_to_do


def test_a_realms_database_on_a_server_with_options() -> None:
    assert database_url("postgresql://a:b@h:1/postgres?ssl=on", "trueup_x") == "postgresql://a:b@h:1/trueup_x?ssl=on"


def test_another_login_replaces_the_administrators() -> None:
    url = database_url("postgresql://a:b@h:1/postgres", "trueup_x", "x_planner", "p/w@1")
    assert url == "postgresql://x_planner:p%2Fw%401@h:1/trueup_x"
