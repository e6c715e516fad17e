"""The shape of the house: what may import what, and how long a module may grow."""

import ast
import re
from collections.abc import Iterator
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[2]
COLLECTIONS = ("worklists", "dunning", "kpis")
# What each part may import of the project; `collections/* -> scoring -> customers -> creditdesk.core`.
ALLOWED = {
    "creditdesk/core": ("creditdesk.core",),
    "customers": ("creditdesk.core", "customers"),
    "scoring": ("creditdesk.core", "customers", "scoring"),
    "collections": ("creditdesk.core", "customers", "scoring", *COLLECTIONS),
}
OURS = ("creditdesk", "customers", "scoring", *COLLECTIONS)
MAX_LINES = 500


def modules(folder: str) -> list[Path]:
    return sorted((ROOT / folder).rglob("*.py"))


def imported(path: Path, tree: ast.AST) -> Iterator[tuple[int, str]]:
    """Absolute dotted names a module imports, function-level and relative imports included."""
    below = path.relative_to(ROOT / "collections" if path.is_relative_to(ROOT / "collections") else ROOT)
    package = below.parent.parts
    for node in ast.walk(tree):
        if isinstance(node, ast.Import):
            yield from ((node.lineno, alias.name) for alias in node.names)
        elif isinstance(node, ast.ImportFrom):
            base = package[: len(package) - node.level + 1] if node.level else ()
            start = ".".join([*base, *([node.module] if node.module else [])])
            # `from creditdesk import core` names a module too, but a class is judged by its module.
            yield from ((node.lineno, f"{start}.{alias.name}") for alias in node.names)


def violations(path: Path, source: str, allowed: tuple[str, ...]) -> list[str]:
    def within(name: str, names: tuple[str, ...]) -> bool:
        return any(name == top or name.startswith(top + ".") for top in names)

    return [
        f"{path.relative_to(ROOT)}:{line} imports {name}"
        for line, name in imported(path, ast.parse(source))
        if within(name, OURS) and not within(name, allowed)
    ]


@pytest.mark.parametrize("folder", ALLOWED)
def test_imports_run_one_way(folder):
    found = modules(folder)
    assert found
    assert [line for path in found for line in violations(path, path.read_text(), ALLOWED[folder])] == []


@pytest.mark.parametrize(
    ("place", "source", "refused"),
    [
        ("customers/x.py", "from scoring.models import Score", True),
        ("customers/x.py", "def f():\n    import worklists.ranking", True),
        ("customers/x.py", "from creditdesk import roles", True),
        ("customers/x.py", "from creditdesk.core.money import Money", False),
        ("customers/x.py", "from .models import Customer", False),
        ("creditdesk/core/x.py", "from .. import roles", True),
        ("creditdesk/core/x.py", "from .money import Money", False),
        ("collections/kpis/x.py", "from worklists.models import Worklist", False),
        ("scoring/x.py", "import kpis", True),
        ("scoring/x.py", "import collections", False),
    ],
)
def test_the_import_check_sees_an_upward_import(place, source, refused):
    folder = next(folder for folder in ALLOWED if place.startswith(folder + "/"))
    assert bool(violations(ROOT / place, source, ALLOWED[folder])) is refused


def test_the_folder_collections_is_never_a_package():
    assert not (ROOT / "collections" / "__init__.py").exists(), (
        "it would hide the standard library's collections"
    )


def test_no_module_is_too_long():
    folders = ("creditdesk", "customers", "scoring", "collections", "benchmarks", "tests")
    long = {
        str(path.relative_to(ROOT)): count
        for folder in folders
        for path in modules(folder)
        if "migrations" not in path.parts and (count := len(path.read_text().splitlines())) > MAX_LINES
    }
    assert long == {}, f"split these: more than {MAX_LINES} lines"


def test_no_template_writes_an_id_as_a_number_to_read():
    """From 1,000 on it would carry a separator, and every link with it would lead nowhere."""
    bare = re.compile(r"\{\{ ?[\w.]*(?:\.(?:pk|id)|(?<!auto)(?<!html)_id) ?\}\}")
    found = [
        f"{path.relative_to(ROOT)}: {match}"
        for path in sorted((ROOT / "templates").rglob("*.html"))
        for match in bare.findall(path.read_text())
    ]
    assert not found, 'write {{ row.pk|stringformat:"d" }}'
