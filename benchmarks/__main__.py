"""`python -m benchmarks [NAME ...]`: every measurement, on a PostgreSQL of its own unless DATABASE_URL names one.

A benchmark is a module of this package with `run(options, fresh, say)` and, if it likes, `add_arguments`.
The database it uses is created for the run (the named one's name and `_bench`) and dropped afterwards.
"""

from __future__ import annotations

import argparse
import importlib
import os
import pkgutil
import signal
import sys
from pathlib import Path
from types import ModuleType

ROOT = Path(__file__).resolve().parent.parent


def _modules() -> dict[str, ModuleType]:
    found = {}
    for info in pkgutil.iter_modules([str(Path(__file__).parent)]):
        if not info.name.startswith("_"):
            module = importlib.import_module(f"benchmarks.{info.name}")
            if hasattr(module, "run"):
                found[info.name] = module
    return found


def _bench_url(url: str) -> str:
    """A database of its own beside the named one, so that two people can measure on one server."""
    head, _, query = url.partition("?")
    return f"{head}_bench" + (f"?{query}" if query else "")


def _recreate(admin_url: str, *, create: bool = True) -> None:
    import psycopg
    from psycopg import sql

    name = psycopg.conninfo.conninfo_to_dict(_bench_url(admin_url))["dbname"]
    with psycopg.connect(admin_url, autocommit=True) as connection:
        connection.execute(sql.SQL("DROP DATABASE IF EXISTS {} WITH (FORCE)").format(sql.Identifier(name)))
        if create:
            connection.execute(sql.SQL("CREATE DATABASE {}").format(sql.Identifier(name)))


def main() -> int:
    sys.path[:0] = [str(ROOT), str(ROOT / "collections")]
    server = None
    # Stopped from outside, the database and the server still go.
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(143))
    admin_url = os.environ.get("DATABASE_URL", "")
    if not admin_url:
        from tests.plugins.postgres_server import PostgresServer

        server = PostgresServer().start()
        admin_url = server.url
    os.environ["DATABASE_URL"] = _bench_url(admin_url)
    os.environ.setdefault("DJANGO_SETTINGS_MODULE", "creditdesk.settings")
    try:
        import django

        django.setup()
        modules = _modules()
        parser = argparse.ArgumentParser(prog="python -m benchmarks", description=__doc__)
        parser.add_argument("names", nargs="*", choices=[*modules, []], help="which (default: all)")
        for module in modules.values():
            if hasattr(module, "add_arguments"):
                module.add_arguments(parser)
        options = parser.parse_args()

        def fresh() -> None:
            from django.core.management import call_command
            from django.db import connections

            connections.close_all()
            _recreate(admin_url)
            call_command("migrate", verbosity=0)

        for name in options.names or modules:
            print(f"== {name}", flush=True)
            modules[name].run(options, fresh, lambda text: print(text, flush=True))
        return 0
    finally:
        from django.db import connections

        connections.close_all()
        _recreate(admin_url, create=False)
        if server:
            server.stop()


if __name__ == "__main__":
    sys.exit(main())
