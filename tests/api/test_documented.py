"""docs/api.md against the code: every address, every scope, every code of a problem the API can answer."""

from __future__ import annotations

import ast
import inspect
import re
from pathlib import Path
from typing import Any

import pytest

from creditdesk.api import problems, schema
from creditdesk.api.problems import TITLES
from creditdesk.api.scopes import SCOPES
from customers import applications, approval, approval_rules, approval_steps, documents, reservations
from scoring import decisions
from scoring.onboarding import assessing
from tests.api.test_schema import operations

ROOT = Path(problems.__file__).resolve().parents[2]
DOC = (ROOT / "docs" / "api.md").read_text()
# Refusals the API passes on: where they are raised, and what stands before their code.
PASSED_ON: dict[str, tuple[Any, ...]] = {
    "ApprovalError": (approval, approval_rules, approval_steps),
    "ApplicationError": (applications, assessing),
    "DocumentRefused": (documents,),
    "ReservationError": (reservations,),
    "DecisionError": (decisions,),
}
PREFIX = {
    "ApplicationError": "application_",
    "DocumentRefused": "document_",
    "ReservationError": "reservation_",
}
# The check that failed is an answer, not a problem; the rest is done in the pages only.
NEVER = {"reservation_blocked", "application_evidence", "document_no_reason", "document_removed"}
# Refusals of decisions that go by a name of their own.
SAID_AS = {"amount": "amount_not_positive", "currency": "wrong_currency"}


def raised(tree: ast.AST, name: str, place: int) -> set[str]:
    """The codes written out in calls of an exception."""
    return {
        call.args[place].value
        for call in ast.walk(tree)
        if isinstance(call, ast.Call)
        and isinstance(call.func, ast.Name)
        and call.func.id == name
        and len(call.args) > place
        and isinstance(call.args[place], ast.Constant)
    }


def answered() -> set[str]:
    own = [ast.parse(path.read_text()) for path in (ROOT / "creditdesk" / "api").rglob("*.py")]
    found = set().union(*(raised(tree, "Problem", 1) for tree in own))
    for name, modules in PASSED_ON.items():
        for module in modules:
            codes = raised(ast.parse(inspect.getsource(module)), name, 0)
            found |= {f"{PREFIX.get(name, '')}{code}" for code in codes}
    return {SAID_AS.get(code, code) for code in found - NEVER}


def test_every_problem_has_a_title_and_stands_in_the_documentation():
    codes = answered()
    assert {"reserve_only_orders", "reservation_conflict", "already_waiting", "document_too_large"} <= codes
    assert not codes - TITLES.keys(), f"of type about:blank: {sorted(codes - TITLES.keys())}"
    table = DOC.split("## Problems")[1].split("\n## ")[0]
    codes_of = [line.split("|")[2] for line in table.splitlines() if line.startswith("| ")]
    listed = set(re.findall(r"`([a-z0-9_]+)`", " ".join(codes_of)))
    missing = TITLES.keys() - listed
    assert not missing, f"docs/api.md does not tell of {sorted(missing)}"
    unknown = listed - TITLES.keys()
    assert not unknown, f"docs/api.md tells of {sorted(unknown)}, which the API does not answer"
    assert all(code in schema.PROBLEM["properties"]["code"]["description"] for code in TITLES)


@pytest.mark.django_db
def test_every_operation_and_scope_stands_in_the_documentation():
    for path, method, operation in operations():
        name = f"`{method.upper()} {path.removeprefix('/api/v1/')}`"
        assert name in DOC, f"docs/api.md does not tell of {name}"
        scope = operation["description"].rsplit("`", 2)[1]
        line = next(line for line in DOC.splitlines() if name in line)
        assert f"`{scope}`" in line, f"docs/api.md: {name} needs {scope}"
    assert all(f"`{scope}`" in DOC for scope in SCOPES)
