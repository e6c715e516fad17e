"""Every act that any code records has a name people can read."""

import ast
from dataclasses import dataclass
from functools import cache
from pathlib import Path

import pytest
from django.conf import settings
from django.urls import reverse

from creditdesk.core.acts import ACTS, FORMER, act_label, acts_like
from customers.approval_steps import VERBS
from scoring import publishing, simulations, versions
from tests.desk_world import TODAY, client_of, fill
from worklists.models import FollowUp

ROOT = Path(settings.BASE_DIR)
SOURCES = [
    path
    for folder in ("creditdesk", "customers", "scoring", "collections")
    for path in (ROOT / folder).rglob("*.py")
    if "migrations" not in path.parts
]


@cache
def text_of(path):
    return path.read_text()


@cache
def parsed(path):
    return ast.parse(text_of(path))


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


@dataclass(frozen=True)
class Helper:
    """A function that passes an act on to `record_act`: where it takes it, and what it keeps it in.

    place: the parameter, by position (without `self`) and name. is_verb: it is the end of f"{self.act}.{verb}".
    """

    place: int
    name: str
    is_verb: bool = False


RECORD = {"record_act": Helper(0, "act")}


class Module:
    """What one walk over a module finds. functions: (function, its parameters without self, whether it is a method,
    the calls inside)."""

    def __init__(self, tree):
        self.tree, self.imports, self.functions, self.calls = tree, [], [], []
        self._walk(tree, (), False)

    def _walk(self, node, inside, is_method):
        if isinstance(node, ast.Call):
            for calls in (self.calls, *inside):
                calls.append(node)
        elif isinstance(node, ast.ImportFrom):
            self.imports.append(node)
        elif isinstance(node, ast.FunctionDef):
            params = [a.arg for a in node.args.args][is_method:]
            inside = (*inside, [])
            params += (a.arg for a in node.args.kwonlyargs)
            self.functions.append((node, params, is_method, inside[-1]))
        in_class = isinstance(node, ast.ClassDef)
        for child in ast.iter_child_nodes(node):
            self._walk(child, inside, in_class)


def helpers_of(modules):
    """({module: {name: Helper}} of functions, {name: Helper} of methods), through any number of steps and modules."""
    local, methods = {name: dict(RECORD) for name in modules}, {}
    found = -1
    while found != (found := sum(map(len, local.values())) + len(methods)):
        for module, source in modules.items():
            for node in source.imports:
                there = local.get(node.module, {})
                local[module] |= {a.asname or a.name: there[a.name] for a in node.names if a.name in there}
            for function, params, is_method, inside in source.functions:
                for call, helper in recording(inside, local[module], methods):
                    act = act_of(call, helper)
                    verb = joined_verb(act)
                    name = getattr(verb or act, "id", None)
                    if name in params:
                        passed = Helper(params.index(name), name, helper.is_verb or verb is not None)
                        (methods if is_method else local[module]).setdefault(function.name, passed)
    return local, methods


def recording(calls, local, methods):
    """(call, helper) of those calls that record."""
    for call in calls:
        known = local if isinstance(call.func, ast.Name) else methods
        if (helper := known.get(name_of(call))) is not None:
            yield call, helper


def act_of(call, helper):
    given = {keyword.arg: keyword.value for keyword in call.keywords} | dict(enumerate(call.args))
    return given.get(helper.place, given.get(helper.name))


def joined_verb(node):
    """`verb` of f"{self.act}.{verb}"."""
    if isinstance(node, ast.JoinedStr) and isinstance(node.values[0], ast.FormattedValue):
        owner, last = node.values[0].value, node.values[-1]
        if getattr(owner, "attr", "") == "act" and isinstance(last, ast.FormattedValue):
            return last.value
    return None


def recorded(paths):
    """(codes, verbs of versions, prefixes of computed codes) that modules record, through helpers of any of them.

    paths: {module: path}. A module that names no helper cannot record: it is not parsed.
    """
    modules, known = {}, set(RECORD)
    while True:
        naming = [
            name for name in paths.keys() - modules if any(word in text_of(paths[name]) for word in known)
        ]
        if not naming:
            break
        modules |= {name: Module(parsed(paths[name])) for name in sorted(naming)}
        local, methods = helpers_of(modules)
        known = set(methods).union(*local.values())
    codes, verbs, prefixes = set(), set(), set()
    for module, source in modules.items():
        for function, _params, _is_method, inside in source.functions:
            named = dict(
                zip((a.arg for a in function.args.kwonlyargs), function.args.kw_defaults, strict=True)
            )
            for call, helper in recording(inside, local[module], methods):
                codes.update(strings(named.get(getattr(act_of(call, helper), "id", ""))))
        for call, helper in recording(source.calls, local[module], methods):
            act = act_of(call, helper)
            (verbs if helper.is_verb else codes).update(strings(act))
            if isinstance(act, ast.Subscript) and isinstance(act.value, ast.Name):
                codes.update(values_of(source.tree, act.value.id))
            if isinstance(act, ast.JoinedStr) and joined_verb(act) is None:
                head = act.values[0]
                prefixes.add(head.value if isinstance(head, ast.Constant) else "")
    return codes, verbs, prefixes


def test_every_recorded_act_has_a_label():
    paths = {
        ".".join(path.relative_to(ROOT).with_suffix("").parts).removeprefix("collections."): path
        for path in SOURCES
    }
    codes, verbs, prefixes = recorded(paths)
    assert len(codes) > 30
    # Computed codes: the admin's "<model>.<verb>", decisions on a limit, acts of the worklist.
    assert prefixes == {"", "limit.", "followup."}
    codes |= {f"limit.{verb}" for verb in VERBS.values()}
    codes |= {f"followup.{kind}" for kind in FollowUp.Kind.values}
    # Each kind of version records every verb of its life; a scorecard is tried, not simulated.
    assert verbs == set(versions.VERBS)
    lives = [publishing.LIFE, *simulations.LIVES.values()]
    codes |= {f"{life.act}.{verb}" for life in lives for verb in verbs} - {"scorecard.simulated"}
    assert sorted(code for code in codes if act_label(code) == code) == []
    assert sorted(set(ACTS) - codes - FORMER) == [], "labels of acts that nobody records"
    assert sorted(FORMER - set(ACTS)) == [], "what is in the trail keeps its name"
    assert sorted(FORMER & codes) == []


def test_the_state_of_a_version_moves_in_one_place_only():
    """Where each step records its act: no other code of the desk sets the status of a version in use."""
    allowed = {"scoring/versions.py", "scoring/version_plans.py", "scoring/invoices/cards.py"}
    shipped = {"scoring/default_checks.py", "scoring/default_policy.py", "scoring/default_terms.py"}
    shipped |= {"scoring/default_card.py", "scoring/default_thin_card.py", "scoring/card.py"}
    written = set()
    for path in SOURCES:
        place = path.relative_to(ROOT).as_posix()
        if not (place.startswith("scoring/") and "status" in text_of(path)):
            continue
        for node in ast.walk(parsed(path)):
            values = [node.value] if isinstance(node, ast.Assign) else []
            values += [k.value for k in node.keywords] if isinstance(node, ast.Call) else []
            named = [getattr(t, "attr", "") for t in getattr(node, "targets", [])]
            named += [k.arg for k in node.keywords] if isinstance(node, ast.Call) else []
            if "status" in named and any(
                getattr(v, "attr", "") in ("PROPOSED", "PLANNED", "ACTIVE", "RETIRED")
                for v, name in zip(values, named, strict=True)
                if name == "status"
            ):
                call = getattr(getattr(node, "func", None), "attr", "")
                if call not in ("filter", "get", "exclude"):
                    written.add(place)
    assert written - allowed - shipped == set()


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
