"""Browser journeys: Debian's chromium (or any chromium on the path) driven by Playwright.

Without a browser they skip, or fail where CREDITDESK_REQUIRE_BROWSER is set (.ci/run sets it).
"""

import os
import shutil
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
from django.conf import settings
from django.test import Client
from playwright.sync_api import Browser, Page, sync_playwright

CHROMIUM_NAMES = ("chromium", "chromium-browser", "google-chrome", "google-chrome-stable")
CHROMIUM_ARGUMENTS = [
    "--no-sandbox",
    "--disable-gpu",
    "--disable-dev-shm-usage",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
    "--no-first-run",
]
NO_BROWSER = "browser journeys need chromium on the path (Debian: apt install chromium)"


def chromium() -> str | None:
    return next(filter(None, map(shutil.which, CHROMIUM_NAMES)), None)


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    for item in items:
        if "browser" in getattr(item, "fixturenames", ()):
            item.add_marker(pytest.mark.browser)


@pytest.fixture(scope="module")
def browser() -> Iterator[Browser]:
    executable = chromium()
    if executable is None:
        if os.environ.get("CREDITDESK_REQUIRE_BROWSER"):
            pytest.fail(NO_BROWSER, pytrace=False)
        pytest.skip(NO_BROWSER)
    with pytest.MonkeyPatch.context() as patch:
        # Playwright's synchronous interface keeps an event loop in this thread, in which Django would
        # refuse the ORM. Nothing runs on that loop while a test talks to the database. One browser per
        # module: while it is open, other tests could not start an event loop of their own.
        patch.setenv("DJANGO_ALLOW_ASYNC_UNSAFE", "1")
        with sync_playwright() as playwright:
            browser = playwright.chromium.launch(executable_path=executable, args=CHROMIUM_ARGUMENTS)
            yield browser
            browser.close()


@pytest.fixture
def browser_page(browser: Browser, live_server) -> Iterator[Page]:
    """A page in a fresh context, 1400x1000; relative addresses lead to the live server.

    A journey fails when the page logs an error or a script on it throws: CSP violations show up there.
    """
    with browser.new_context(
        base_url=live_server.url, viewport={"width": 1400, "height": 1000}, locale="en-GB"
    ) as context:
        context.set_default_timeout(10_000)
        page = context.new_page()
        page.problems = []  # type: ignore[attr-defined]
        page.on("pageerror", lambda error: page.problems.append(f"script error: {error} {error.stack}"))
        page.on("console", lambda message: message.type == "error" and page.problems.append(message.text))
        yield page
        assert not page.problems, "\n".join(page.problems)


@pytest.fixture
def login(live_server) -> Callable[[Page, Any], None]:
    """login(page, user): a session cookie, without the login form."""

    def sign_in(page: Page, user: Any) -> None:
        client = Client()
        client.force_login(user)
        cookie = client.cookies[settings.SESSION_COOKIE_NAME]
        page.context.add_cookies([{"name": cookie.key, "value": cookie.value, "url": live_server.url}])

    return sign_in


@pytest.fixture
def axe() -> Callable[[Page], list[str]]:
    """axe(page): one line per serious or critical accessibility violation, with the elements concerned."""
    from axe_playwright_python.sync_playwright import Axe

    def check(page: Page) -> list[str]:
        found = Axe().run(page).response["violations"]
        return [
            f"{item['impact']} {item['id']}: {item['help']} at "
            + ", ".join(str(node["target"]) for node in item["nodes"][:5])
            for item in found
            if item["impact"] in {"serious", "critical"}
        ]

    return check


@pytest.fixture
def screenshot() -> Callable[..., Path]:
    """screenshot(page, name): the whole page as var/screenshots/<name>.png."""

    def save(page: Page, name: str) -> Path:
        path = settings.BASE_DIR / "var" / "screenshots" / f"{name}.png"
        path.parent.mkdir(parents=True, exist_ok=True)
        page.screenshot(path=path, full_page=True)
        return path

    return save
