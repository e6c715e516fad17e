"""`make fuzz`: schemathesis against a real server on a small book of its own, which is thrown away.

Not part of the suite: a run takes minutes. Anything it finds is an error of the API or of its schema.
"""

from __future__ import annotations

import os
import subprocess
import sys
import tempfile
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]
SETTINGS = """
[checks]
# 409 and 422 are answers of the rules to requests that fit the schema.
positive_data_acceptance.expected-statuses = ["2xx", "401", "403", "404", "409", "422"]
"""


def main() -> int:
    sys.path[:0] = [str(ROOT), str(ROOT / "collections")]
    with tempfile.TemporaryDirectory(prefix="creditdesk-fuzz-") as folder:
        os.environ.pop("DATABASE_URL", None)
        os.environ["SQLITE_FILE"] = f"{folder}/book.sqlite3"
        os.environ["CREDITDESK_BUSINESS_DATE"] = "2026-11-20"
        os.environ["LOG_LEVEL"] = "ERROR"  # refusals are what is wanted
        os.environ.setdefault("DJANGO_SETTINGS_MODULE", "creditdesk.settings")
        import django

        django.setup()
        from django.core.management import call_command

        call_command("migrate", verbosity=0)
        from scoring.engine import rescore
        from tests.api.conftest import TODAY, key_for, make_world

        world = make_world()
        rescore(TODAY)
        token = key_for(world.cast.integration, per_minute=1_000_000)[1]
        return _run(folder, token, sys.argv[1:])


def _run(folder: str, token: str, arguments: list[str]) -> int:
    configuration = Path(folder) / "schemathesis.toml"
    configuration.write_text(SETTINGS)
    port = int(os.environ.get("FUZZ_PORT", "8469"))
    server = subprocess.Popen(
        [sys.executable, "-m", "gunicorn", "creditdesk.wsgi", "--bind", f"127.0.0.1:{port}"]
        + ["--worker-class", "gthread", "--threads", "2", "--log-level", "error"],
        cwd=ROOT,
    )
    command = [
        str(Path(sys.executable).with_name("schemathesis")),
        "--config-file",
        str(configuration),
        "run",
    ]
    command += [f"http://127.0.0.1:{port}/api/v1/schema", "-H", f"Authorization: Bearer {token}"]
    command += ["--wait-for-schema", "60", "--continue-on-failure", *(arguments or ["--max-examples", "25"])]
    try:
        return subprocess.run(command, cwd=folder).returncode
    finally:
        server.terminate()
        server.wait(timeout=20)


if __name__ == "__main__":
    sys.exit(main())
