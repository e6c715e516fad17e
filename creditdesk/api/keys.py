"""Making, rotating, revoking and checking keys. The secret is returned once and stored nowhere."""

from __future__ import annotations

import hashlib
import hmac
import re
import secrets
from collections.abc import Iterable
from datetime import datetime, timedelta

from django.db import transaction
from django.utils.translation import gettext as _

from creditdesk.api.models import ApiKey
from creditdesk.api.scopes import SCOPES
from creditdesk.core.audit import Actor, Change, record_act
from creditdesk.core.models import User
from customers.models import Company

LIFETIME = timedelta(days=365)
OVERLAP = timedelta(days=7)
PER_MINUTE = 600

_ALPHABET = "abcdefghijkmnpqrstuvwxyz23456789"  # nothing that looks like something else
_TOKEN = re.compile(r"cdk_([a-z2-9]{12})_([A-Za-z0-9_-]{43})")


class KeyRefused(ValueError):
    """A key that cannot be made; the text says why."""


@transaction.atomic
def make_key(
    user: User,
    name: str,
    scopes: Iterable[str],
    *,
    now: datetime,
    actor: Actor,
    company: Company | None = None,
    expires_at: datetime | None = None,
    per_minute: int = PER_MINUTE,
    replaces: ApiKey | None = None,
) -> tuple[ApiKey, str]:
    """A new key and its token "cdk_<prefix>_<secret>", which nobody can read again. Raises KeyRefused."""
    scopes = sorted(set(scopes))
    unknown = [code for code in scopes if code not in SCOPES]
    if unknown or not scopes:
        raise KeyRefused(
            _("No such scope: %(names)s. There are: %(known)s.")
            % {"names": ", ".join(unknown) or "—", "known": ", ".join(SCOPES)}
        )
    if user.is_superuser:
        raise KeyRefused(_("A key never acts for a superuser: make a user with the role it needs."))
    prefix = "".join(secrets.choice(_ALPHABET) for _position in range(12))
    secret = secrets.token_urlsafe(32)
    key = ApiKey.objects.create(
        name=name,
        user=user,
        company=company,
        prefix=prefix,
        digest=_digest(secret),
        scopes=scopes,
        per_minute=per_minute,
        created_at=now,
        created_by=actor.user,
        expires_at=expires_at or now + LIFETIME,
        replaces=replaces,
    )
    record_act(
        "api_key.rotate" if replaces else "api_key.make",
        actor=actor,
        subject=key,
        changes=[Change.of(key, None, _facts(key))],
    )
    return key, f"cdk_{prefix}_{secret}"


@transaction.atomic
def rotate_key(
    key: ApiKey, *, now: datetime, actor: Actor, overlap: timedelta = OVERLAP
) -> tuple[ApiKey, str]:
    """A new key with the same rights; the old one works for `overlap` yet, so that no request is lost.

    Raises KeyRefused when the old one works no longer, or was rotated already.
    """
    old = ApiKey.objects.select_for_update(of=("self",)).select_related("user", "company").get(pk=key.pk)
    if not old.works_at(now):
        raise KeyRefused(_("This key works no longer: make a new one."))
    if old.replaced_by.exists():
        raise KeyRefused(_("This key was rotated already: rotate the one that replaced it."))
    new, token = make_key(
        old.user,
        old.name,
        old.scopes,
        now=now,
        actor=actor,
        company=old.company,
        per_minute=old.per_minute,
        expires_at=now + max(old.expires_at - old.created_at, OVERLAP),
        replaces=old,
    )
    old.expires_at = min(old.expires_at, now + overlap)
    old.save(update_fields=["expires_at"])
    return new, token


@transaction.atomic
def revoke_key(key: ApiKey, *, now: datetime, actor: Actor) -> ApiKey:
    """The key works no longer, from this moment. Revoking again changes nothing."""
    locked = ApiKey.objects.select_for_update().get(pk=key.pk)
    if locked.revoked_at is None:
        before = _facts(locked)
        locked.revoked_at = now
        locked.save(update_fields=["revoked_at"])
        record_act(
            "api_key.revoke", actor=actor, subject=locked, changes=[Change.of(locked, before, _facts(locked))]
        )
    return locked


def key_of(token: str) -> ApiKey | None:
    """The key a token belongs to, with its user; None when there is none. One query, also for a wrong secret."""
    match = _TOKEN.fullmatch(token)
    if match is None:
        return None
    prefix, secret = match.groups()
    key = ApiKey.objects.select_related("user").filter(prefix=prefix).first()
    if key is None or not hmac.compare_digest(key.digest, _digest(secret)):
        return None
    return key


def _digest(secret: str) -> str:
    return hashlib.sha256(secret.encode()).hexdigest()


def _facts(key: ApiKey) -> dict[str, object]:
    return {
        "name": key.name,
        "user": key.user_id,
        "company": key.company_id,
        "prefix": key.prefix,
        "scopes": key.scopes,
        "expires_at": key.expires_at,
        "revoked_at": key.revoked_at,
    }
