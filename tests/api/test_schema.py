"""The schema is true: it has no warnings, its examples run, answers are what it says, and fuzzing finds nothing."""

from __future__ import annotations

import json
from datetime import date
from functools import cache
from typing import Any
from uuid import uuid4

import pytest
from django.core.management import call_command
from django.utils import timezone
from drf_spectacular.drainage import GENERATOR_STATS
from drf_spectacular.generators import SchemaGenerator
from jsonschema import Draft202012Validator, FormatChecker

from creditdesk.api.scopes import SCOPES
from customers.models import BureauProvider, BureauPull, BureauReport, Customer

pytestmark = pytest.mark.django_db


@cache
def schema() -> dict[str, Any]:
    with GENERATOR_STATS.silence():
        return json.loads(json.dumps(SchemaGenerator().get_schema(request=None, public=True), default=str))


def operations():
    for path, methods in schema()["paths"].items():
        for method, operation in methods.items():
            yield path, method, operation


def check(value: Any, part: dict[str, Any]) -> None:
    rooted = {**part, "components": schema()["components"]}
    Draft202012Validator(rooted, format_checker=FormatChecker()).validate(value)


@pytest.mark.any_database
def test_the_schema_has_no_warnings_and_every_operation_names_its_scope(client, tmp_path):
    call_command("spectacular", file=str(tmp_path / "schema.yml"), validate=True, fail_on_warn=True)
    assert schema()["openapi"] == "3.1.1"
    said = "\n".join(operation["description"] for _path, _method, operation in operations())
    assert all(f"`{scope}`" in said for scope in SCOPES)
    for path, method, operation in operations():
        assert {"401", "403", "429"} <= operation["responses"].keys(), (path, method)
        if method == "post":
            assert "Idempotency-Key" in {p["name"] for p in operation["parameters"]}, path
            assert operation["requestBody"]["content"]["application/json"]["examples"], path
    served = client.get("/api/v1/schema", headers={"Accept": "application/vnd.oai.openapi+json"})
    assert served.json()["paths"].keys() == schema()["paths"].keys()
    docs = client.get("/api/v1/docs").content.decode()
    assert "http://" not in docs and "https://" not in docs, "the page loads nothing from elsewhere"


def found_in(world: Any) -> dict[str, Any]:
    """A value for each parameter of a path: of what the examples just made, or of what the book has."""
    return {
        "/api/v1/customers": world.caller.get("customers").json()["results"][0]["id"],
        "/api/v1/exposures": world.caller.get("exposures").json()["results"][0]["account"],
    }


def test_every_example_runs_and_every_answer_is_what_the_schema_says(world):
    made = found_in(world)
    agency = BureauProvider.objects.create(
        slug="arcadia",
        label="Arcadia",
        adapter="recorded",
        settings={"answers": "arcadia"},
        is_on=True,
        price=450,
    )
    customer = Customer.objects.get(code="C-1001")
    day = {"effective_on": date(2026, 1, 1), "known_on": date(2026, 1, 2)}
    BureauReport.objects.create(customer=customer, provider="filed", outcome="rated", standing=61, **day)
    now = timezone.now()
    BureauPull.objects.create(
        customer=customer,
        provider=agency,
        cause="api",
        asked_on=date(2026, 1, 2),
        outcome="unavailable",
        answered_at=now,
        charged=0,
        currency="EUR",
        idempotency_key=uuid4(),
    )
    ran = 0
    # Collections first: their answers are what the other addresses ask for.
    for path, method, operation in sorted(
        operations(), key=lambda found: (found[0].count("{"), found[1] == "get")
    ):
        base = path.split("/{")[0]
        address = path
        for parameter in operation.get("parameters", []):
            if parameter["in"] == "path":
                address = address.replace(f"{{{parameter['name']}}}", str(made[base]))
        address = address.removeprefix("/api/v1/")
        if method == "get":
            answers = [world.caller.get(address)]
        else:
            content = operation["requestBody"]["content"]["application/json"]
            answers = []
            for example in content["examples"].values():
                check(example["value"], content["schema"])
                answers.append(world.caller.post(address, example["value"]))
        for answer in answers:
            ran += 1
            said = operation["responses"][str(answer.status_code)]
            assert answer.status_code < 300, (path, answer.content)
            check(answer.json(), said["content"]["application/json"]["schema"])
            if path.endswith("/credit-checks") and answer.json()["reservation"]:
                made["/api/v1/reservations"] = answer.json()["reservation"]["id"]
            if method == "post" and "id" in answer.json() and path == base:
                made.setdefault(base, answer.json()["id"])
    assert ran > 12
    refused = world.caller.get("customers", limit=0)
    check(refused.json(), {"$ref": "#/components/schemas/Problem"})
