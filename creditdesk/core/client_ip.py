"""The address a request came from, seen through our own proxies."""

from django.conf import settings
from django.http import HttpRequest


def client_ip(request: HttpRequest) -> str:
    """The client's address as our outermost proxy saw it.

    Each proxy appends the address it received from to X-Forwarded-For, so with N trusted proxies the Nth
    entry from the right is true and everything left of it is the client's own invention.
    """
    trusted = settings.TRUSTED_PROXIES
    forwarded = [
        part.strip() for part in request.META.get("HTTP_X_FORWARDED_FOR", "").split(",") if part.strip()
    ]
    if trusted and len(forwarded) >= trusted:
        return forwarded[-trusted]
    return request.META.get("REMOTE_ADDR", "")
