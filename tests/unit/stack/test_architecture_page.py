"""ARCHITECTURE.md says what import-linter enforces: the same layers, the same contracts, no more and no less."""

from __future__ import annotations

import re
from configparser import ConfigParser
from pathlib import Path

ROOT = Path(__file__).resolve().parents[3]
PAGE = (ROOT / "ARCHITECTURE.md").read_text("utf-8")
SECTION = PAGE.split("## What may import what")[1].split("\n## ")[0]


def contracts() -> ConfigParser:
    parser = ConfigParser()
    parser.read(ROOT / ".importlinter", "utf-8")
    return parser


def lines(text: str) -> list[str]:
    return [line.strip() for line in text.strip().splitlines()]


def test_the_rooms_are_those_of_the_contract() -> None:
    rooms = re.findall(r"```\n(.*?)```", SECTION, re.DOTALL)[1]
    enforced = contracts()["importlinter:contract:rooms"]["layers"]
    assert lines(rooms) == [line.replace("(", "").replace(")", "") for line in lines(enforced)]


def test_the_packages_are_those_of_the_contracts() -> None:
    drawn = re.findall(r"```\n(.*?)```", SECTION, re.DOTALL)[0]
    names = set(re.findall(r"\w+", drawn.replace("(independent of each other)", "")))
    assert names == set(lines(contracts()["importlinter"]["root_packages"]))


def test_every_other_contract_is_a_line_and_every_line_a_contract() -> None:
    parser = contracts()
    enforced = {parser[name]["name"] for name in parser.sections() if name.startswith("importlinter:contract:")}
    enforced -= {parser["importlinter:contract:rooms"]["name"]}
    said = re.findall(r"^- ([^:.]+)[:.]", SECTION, re.MULTILINE)
    assert sorted(said) == sorted(enforced)


def test_the_rooms_are_in_no_service_that_the_contract_leaves_out() -> None:
    parser = contracts()
    services = {path.parent.name for path in ROOT.glob("services/*/pyproject.toml")}
    assert set(lines(parser["importlinter:contract:rooms"]["containers"])) == services
    assert set(lines(parser["importlinter:contract:services"]["modules"])) == services
