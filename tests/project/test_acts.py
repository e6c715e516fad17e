"""Every act that any code records has a name people can read."""

import ast
from pathlib import Path

import pytest
from django.conf import settings
from django.urls import reverse

from creditdesk.core.acts import ACTS, act_label, acts_like
from customers.approval_steps import VERBS
from tests.desk_world import TODAY, client_of, fill
from worklists.models import FollowUp

ROOT = Path(settings.BASE_DIR)
SOURCES = [
    path
    for folder in ("creditdesk", "customers", "scoring", "collections")
    for path in (ROOT / folder).rglob("*.py")
    if "migrations" not in path.parts
]


def name_of(call):
    return getattr(call.func, "id", getattr(call.func, "attr", ""))


def strings(node):
    """Literal texts of an expression: a constant, or either branch of a conditional."""
    if isinstance(node, ast.Constant) and isinstance(node.value, str):
        yield node.value
    elif isinstance(node, ast.IfExp):
        yield from strings(node.body)
        yield from strings(node.orelse)


def values_of(tree, name):
    """Literal values of the module's dictionary of that name."""
    for node in tree.body:
        target = node.target if isinstance(node, ast.AnnAssign) else getattr(node, "targets", [None])[0]
        if getattr(target, "id", "") == name and isinstance(node.value, ast.Dict):
            for value in node.value.values:
                yield from strings(value)


def recorded(tree):
    """(codes, prefixes of computed codes) that a module records, through its own helpers too."""
    codes, prefixes = set(), set()
    passed_on = {}
    for function in (n for n in ast.walk(tree) if isinstance(n, ast.FunctionDef)):
        params = [a.arg for a in function.args.args]
        named = dict(zip((a.arg for a in function.args.kwonlyargs), function.args.kw_defaults, strict=True))
        for call in (n for n in ast.walk(function) if isinstance(n, ast.Call) and n.args):
            if name_of(call) == "record_act" and isinstance(call.args[0], ast.Name):
                act = call.args[0].id
                passed_on[function.name] = params.index(act) if act in params else act
                codes.update(strings(named.get(act)))
    for call in (n for n in ast.walk(tree) if isinstance(n, ast.Call)):
        place = 0 if name_of(call) == "record_act" else passed_on.get(name_of(call))
        given = {keyword.arg: keyword.value for keyword in call.keywords} | dict(enumerate(call.args))
        if place not in given:
            continue
        first = given[place]
        codes.update(strings(first))
        if isinstance(first, ast.Subscript) and isinstance(first.value, ast.Name):
            codes.update(values_of(tree, first.value.id))
        if isinstance(first, ast.JoinedStr):
            head = first.values[0]
            prefixes.add(head.value if isinstance(head, ast.Constant) else "")
    return codes, prefixes


def test_every_recorded_act_has_a_label():
    codes, prefixes = set(), set()
    for path in SOURCES:
        found = recorded(ast.parse(path.read_text()))
        codes |= found[0]
        prefixes |= found[1]
    assert len(codes) > 30
    # Computed codes: the admin's "<model>.<verb>", decisions on a limit, acts of the worklist.
    assert prefixes == {"", "limit.", "followup."}
    codes |= {f"limit.{verb}" for verb in VERBS.values()}
    codes |= {f"followup.{kind}" for kind in FollowUp.Kind.values}
    assert sorted(code for code in codes if act_label(code) == code) == []
    assert sorted(set(ACTS) - codes) == [], "labels of acts that nobody records"


@pytest.mark.django_db
def test_acts_of_the_admin_are_named_after_their_model():
    assert act_label("importmapping.change") == "Import mapping changed"
    assert act_label("cover.add") == "Cover added"
    assert act_label("nobody.knows") == "nobody.knows"
    assert "hold.place" in acts_like("credit hold")


@pytest.mark.django_db
def test_people_read_and_search_labels(cast, settings):
    settings.BUSINESS_DATE = TODAY
    fill(cast.account, cast.collector)
    auditor = client_of(cast.auditor)
    for url in (reverse("desk:changes"), reverse("admin:core_auditentry_changelist")):
        text = auditor.get(url).content.decode()
        assert "Promise to pay taken" in text
        assert ">promise.take<" not in text
        text = auditor.get(url, {"q": "dispute opened"}).content.decode()
        assert "Dispute opened" in text
        assert "Promise to pay taken" not in text


@pytest.mark.django_db
def test_a_controller_reads_the_trail_of_a_customer_but_not_the_whole_one(cast, settings):
    settings.BUSINESS_DATE = TODAY
    fill(cast.account, cast.collector)
    url = reverse("desk:customer", args=[cast.account.customer_id]) + "?tab=audit"
    page = client_of(cast.controller).get(url)
    assert page.context["tab"].slug == "audit"
    text = page.content.decode()
    assert "Customer status set" in text
    assert "/admin/core/auditentry/" not in text
    assert client_of(cast.controller).get(reverse("admin:core_auditentry_changelist")).status_code == 403
    assert client_of(cast.collector).get(url).context["tab"].slug != "audit"
    assert "/admin/core/auditentry/" in client_of(cast.auditor).get(url).content.decode()
