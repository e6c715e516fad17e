"""The secret an agency gave us: read from the environment or a file when it is needed, and kept nowhere.

Only variables that begin with BUREAU_ and files under BUREAU_SECRETS_FOLDER that no variable *_FILE of the installation
names (SECRET_KEY_FILE): whoever may configure an agency could otherwise have any secret of the installation sent to an
address of their own.
"""

from __future__ import annotations

import os
from pathlib import Path

from django.conf import settings

from creditdesk.core.sentences import gettext as _
from customers.bureau.adapters import Refused
from customers.models import BureauProvider

PREFIX = "BUREAU_"
LONGEST = 10_000


def check_place(variable: str, file: str) -> dict[str, str]:
    """{field: what is wrong}, for the form of an agency."""
    problems: dict[str, str] = {}
    if variable and not (variable.startswith(PREFIX) and variable.replace("_", "").isalnum()):
        problems["secret_variable"] = _("Name a variable that begins with %(prefix)s.") % {"prefix": PREFIX}
    if file and (not _is_inside(file) or _is_of_the_installation(file)):
        problems["secret_file"] = _("Name a file in %(folder)s.") % {"folder": settings.BUREAU_SECRETS_FOLDER}
    if variable and file:
        problems["secret_file"] = _("Name a variable or a file, not both.")
    return problems


def _is_inside(file: str) -> bool:
    try:
        return Path(file).resolve().is_relative_to(Path(settings.BUREAU_SECRETS_FOLDER).resolve())
    except (OSError, ValueError):
        return False


def _is_of_the_installation(file: str) -> bool:
    """Whether the file holds something the installation itself reads, by whatever link."""
    for name, other in os.environ.items():
        if not name.endswith("_FILE") or name.startswith(PREFIX) or not other:
            continue
        try:
            if Path(other).resolve() == Path(file).resolve() or os.path.samefile(other, file):
                return True
        except (OSError, ValueError):
            continue
    return False


def secret_of(provider: BureauProvider) -> str:
    """The secret, "" where none is named. Raises Refused where it is named but not there."""
    if check_place(provider.secret_variable, provider.secret_file):
        raise Refused(_("The place of the secret is not allowed: correct it at the agency."))
    if provider.secret_variable:
        found = os.environ.get(provider.secret_variable, "")
        if not found:
            raise Refused(
                _("The variable %(name)s is not set on the server.") % {"name": provider.secret_variable}
            )
        return found
    if provider.secret_file:
        try:
            return Path(provider.secret_file).read_text(encoding="utf-8")[:LONGEST].strip()
        except (OSError, UnicodeDecodeError) as error:
            raise Refused(_("The file with the secret cannot be read: correct its place.")) from error
    return ""
