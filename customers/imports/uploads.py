"""Where an uploaded file waits between preview and confirmation: in the database, which every host reaches.

It is written out to a private temporary file only while it is read, and removed right after.
"""

from __future__ import annotations

import secrets
import tempfile
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from datetime import timedelta
from pathlib import Path

from django.db import transaction
from django.utils import timezone

from creditdesk.core.models import User
from customers.models import ImportUpload, ImportUploadPart

KEPT_FOR = timedelta(hours=24)
PART = 1 << 20  # bytes


class UploadGone(LookupError):
    """The file is not kept any more: it was imported, or it is too old."""


def sweep() -> int:
    """Remove files nobody confirmed in time; returns how many."""
    old = ImportUpload.objects.filter(uploaded_at__lt=timezone.now() - KEPT_FOR)
    count = len(pks := list(old.values_list("pk", flat=True)))
    ImportUploadPart.objects.filter(upload__in=pks).delete()
    ImportUpload.objects.filter(pk__in=pks).delete()
    return count


@transaction.atomic
def keep(name: str, blocks: Iterable[bytes], *, user: User) -> str:
    """Store a file piece by piece; returns the token under which it is found again."""
    sweep()
    given = name.lower()
    suffix = ".xlsx" if given.endswith((".xlsx", ".xlsm")) else ".gz" if given.endswith(".gz") else ".csv"
    suffix = ".zip" if given.endswith(".zip") else suffix
    upload = ImportUpload.objects.create(token=secrets.token_urlsafe(32), suffix=suffix, uploaded_by=user)
    for number, part in enumerate(_parts(blocks)):
        ImportUploadPart.objects.create(upload=upload, number=number, content=part)
    return upload.token


def _parts(blocks: Iterable[bytes]) -> Iterator[bytes]:
    held = bytearray()
    for block in blocks:
        held += block
        while len(held) >= PART:
            yield bytes(held[:PART])
            del held[:PART]
    if held:
        yield bytes(held)


@contextmanager
def opened(token: str, *, user: User) -> Iterator[Path]:
    """The file as a temporary path, readable by this process's user only. Raises UploadGone."""
    upload = ImportUpload.objects.filter(
        token=token, uploaded_by=user, uploaded_at__gte=timezone.now() - KEPT_FOR
    ).first()
    if upload is None:
        raise UploadGone(token)
    with tempfile.TemporaryDirectory(prefix="creditdesk-import-") as folder:
        path = Path(folder) / f"upload{upload.suffix}"
        with path.open("wb") as file:
            for content in upload.parts.order_by("number").values_list("content", flat=True).iterator(4):
                file.write(content)
        yield path


def drop(token: str) -> None:
    """The file was imported: it is not needed any more."""
    ImportUploadPart.objects.filter(upload__token=token).delete()
    ImportUpload.objects.filter(token=token).delete()
