"""Documents to begin with, commented and valid as they stand: one of a kind, or a scenario of several."""

from __future__ import annotations

import re
from importlib import resources

from common.declarations.models import KINDS as DECLARED
from common.declarations.problems import did_you_mean
from common.errors import Refused

KINDS = tuple(DECLARED)
SCENARIO = ("EntityType", "DesiredState", "System", "ActionType", "ApprovalPolicy")
"""What a scenario consists of, in order."""
AT = "2024-03-18"
"""The day of its rows."""
_PLACES = {"DesiredState": "DESIRED", "System": "SYSTEM", "ActionType": "ACTION", "ApprovalPolicy": "POLICY"}
"""By what a template names the document itself, where that is not NAME."""
_EXAMPLE = "request"


def document(kind: str, name: str) -> str:
    """One document. What it refers to goes by the names of the scenario `request`. Raises Refused."""
    known = {item.lower(): item for item in KINDS}
    if kind.lower() not in known:
        hint = did_you_mean(kind, [*KINDS, "scenario"])
        raise Refused("unknown_kind", f"{kind!r} is not a kind.", hint)
    kind = known[kind.lower()]
    names = {**_names(_EXAMPLE), _PLACES.get(kind, "NAME"): _checked(name)}
    return _filled(f"{kind}.yaml", names)


def scenario(name: str) -> dict[str, str]:
    """The files of a scenario about things of this name: declarations, rows, and tests of both. Raises Refused."""
    names = _names(_checked(name))
    head = f"# Every {name} is answered in time: what that means, what may be done about it, and who must agree.\n"
    head += f"# Preview: trueup diff {name}.yaml --state {name}={name}s.csv --at {AT}\n"
    return {
        f"{name}.yaml": head + "".join(f"---\n{_filled(f'{kind}.yaml', names)}" for kind in SCENARIO),
        f"{name}s.csv": _filled("scenario.csv", names),
        f"{name}.test.yaml": _filled("scenario.test.yaml", names),
    }


def _names(name: str) -> dict[str, str]:
    return {
        "NAME": name,
        "DESIRED": f"{name}s-answered",
        "SYSTEM": f"{name}-desk",
        "ACTION": f"ask-about-{name}",
        "POLICY": f"{name}-approvals",
        "FOLDER": name,
    }


def _checked(name: str) -> str:
    if not re.fullmatch(r"[a-z][a-z0-9]*(-[a-z0-9]+)*", name) or len(name) > 48:
        raise Refused("bad_name", f"{name!r} is not a name.", "Use lower-case letters, digits and hyphens: invoice.")
    return name


def _filled(file: str, names: dict[str, str]) -> str:
    text = resources.files("cli.authoring").joinpath("templates", file).read_text("utf-8")
    return _aligned(re.sub("|".join(names), lambda found: names[found[0]], text), text)


def _aligned(text: str, template: str) -> str:
    """The text with its comments where those of the template stand, as far as names leave room."""
    lines = []
    for line, before in zip(text.splitlines(), template.splitlines(), strict=True):
        found = re.match(r"(.*\S)\s+(# .*)", before)
        if found is None or line == before or before.startswith("#"):
            lines.append(line)
            continue
        code, comment = re.match(r"(.*?\S)\s+(# .*)", line).groups()  # type: ignore[union-attr]
        lines.append(f"{code:<{len(before) - len(found[2]) - 2}}  {comment}")
    return "\n".join(lines) + "\n"
