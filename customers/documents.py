"""Documents of an application: what is taken, where it is kept, who reads it, and how it goes.

Kept in the database in pieces, like uploads: every host reaches them, and backups hold them. Taken are documents,
pictures and tables whose content is what the name says; nothing a browser or an office program would run.
"""

from __future__ import annotations

import hashlib
import tempfile
import zipfile
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from pathlib import Path, PurePosixPath, PureWindowsPath

from django.db import transaction
from django.utils import timezone
from django.utils.translation import gettext as _

from creditdesk.core.audit import Actor, Change, record_act
from creditdesk.core.models import User
from customers.models import ApplicationDocument, ApplicationDocumentPart, CreditApplication

MAX_BYTES = 10 * 1024 * 1024
MAX_DOCUMENTS = 40
PART = 1 << 20

# Suffix: (type it is served as, what its first bytes are; empty: text).
TYPES: dict[str, tuple[str, tuple[bytes, ...]]] = {
    ".pdf": ("application/pdf", (b"%PDF-",)),
    ".png": ("image/png", (b"\x89PNG\r\n\x1a\n",)),
    ".jpg": ("image/jpeg", (b"\xff\xd8\xff",)),
    ".jpeg": ("image/jpeg", (b"\xff\xd8\xff",)),
    ".xlsx": ("application/vnd.openxmlformats-officedocument.spreadsheetml.sheet", (b"PK\x03\x04",)),
    ".csv": ("text/csv", ()),
    ".txt": ("text/plain", ()),
    ".sta": ("text/plain", ()),
    ".xml": ("application/xml", ()),
}
ACCEPT = ",".join(TYPES)


class DocumentRefused(ValueError):
    """A file that is not taken; the text names the file and the cure.

    code: empty, too_large, too_many, bad_type, not_what_it_says, known, over, no_reason, removed.
    """

    def __init__(self, code: str, message: str) -> None:
        super().__init__(message)
        self.code = code


@transaction.atomic
def attach(
    application: CreditApplication,
    name: str,
    blocks: Iterable[bytes],
    *,
    kind: str,
    actor: Actor,
) -> ApplicationDocument:
    """Keep a file with an application, or refuse it as a whole. Raises DocumentRefused."""
    locked = CreditApplication.objects.select_for_update(of=("self",)).get(pk=application.pk)
    clean = plain_name(name)
    if not locked.is_running:
        raise DocumentRefused("over", _("The application is closed: it takes no more documents."))
    if locked.documents.count() >= MAX_DOCUMENTS:
        raise DocumentRefused("too_many", _("An application takes at most %s documents.") % MAX_DOCUMENTS)
    suffix = PurePosixPath(clean).suffix.lower()
    if suffix not in TYPES:
        raise DocumentRefused(
            "bad_type",
            _("%(name)s is not taken. Send one of these: %(types)s.")
            % {"name": clean, "types": ", ".join(TYPES)},
        )
    document = ApplicationDocument(
        application=locked,
        kind=kind,
        name=clean,
        content_type=TYPES[suffix][0],
        uploaded_by=actor.user,
        uploaded_name=actor.name[:80],
    )
    parts = list(_read(clean, suffix, blocks))
    document.size = sum(len(part) for part in parts)
    document.sha256 = hashlib.sha256(b"".join(parts)).hexdigest()
    known = locked.documents.filter(sha256=document.sha256, removed_at__isnull=True).first()
    if known is not None:
        raise DocumentRefused(
            "known",
            _("%(name)s is here already, as %(known)s.") % {"name": clean, "known": known.name},
        )
    document.save()
    ApplicationDocumentPart.objects.bulk_create(
        ApplicationDocumentPart(document=document, number=number, content=part)
        for number, part in enumerate(parts)
    )
    record_act(
        "application.document",
        actor=actor,
        subject=locked,
        data={"account": locked.account_id},
        changes=[Change.of(document, None, {"kind": kind, "size": document.size, "sha256": document.sha256})],
    )
    return document


def plain_name(name: str) -> str:
    """The last part of a path of either kind, without control characters, at most 200 characters."""
    last = PureWindowsPath(PurePosixPath(name).name).name
    clean = "".join(letter for letter in last if letter.isprintable()).strip().strip(".")
    stem, suffix = PurePosixPath(clean or "document").stem, PurePosixPath(clean).suffix
    return stem[: 200 - len(suffix)] + suffix


def _read(name: str, suffix: str, blocks: Iterable[bytes]) -> Iterator[bytes]:
    """The pieces of a file, once its size and its content are known to be right."""
    held = bytearray()
    for block in blocks:
        held += block
        if len(held) > MAX_BYTES:
            raise DocumentRefused(
                "too_large",
                _("%(name)s is larger than %(most)s MB: send it in parts, or as a smaller scan.")
                % {"name": name, "most": MAX_BYTES >> 20},
            )
    if not held:
        raise DocumentRefused("empty", _("%s is empty.") % name)
    if not _is_what_it_says(suffix, bytes(held)):
        raise DocumentRefused(
            "not_what_it_says",
            _("The content of %s is not what its name says: send the file as its program saved it.") % name,
        )
    for start in range(0, len(held), PART):
        yield bytes(held[start : start + PART])


def _is_what_it_says(suffix: str, content: bytes) -> bool:
    starts = TYPES[suffix][1]
    if not starts:
        start = content[:4096]
        if b"\x00" in start:
            return False
        text = start.lstrip(b"\xef\xbb\xbf \t\r\n").lower()
        if suffix == ".xml":
            # A page or a picture with scripts is XML as well: bank files and accounts are not.
            return text.startswith(b"<") and b"<html" not in text and b"<svg" not in text
        return not text.startswith((b"<html", b"<!doctype", b"<script", b"<svg"))
    if not content.startswith(starts):
        return False
    return suffix != ".xlsx" or _is_plain_workbook(content)


def _is_plain_workbook(content: bytes) -> bool:
    """A workbook without macros, whose parts do not unpack to something enormous."""
    import io

    try:
        with zipfile.ZipFile(io.BytesIO(content)) as packed:
            names = packed.namelist()
            return (
                "[Content_Types].xml" in names
                and any(name.startswith("xl/") for name in names)
                and not any(name.lower().endswith(("vbaproject.bin", ".exe", ".dll")) for name in names)
                and sum(info.file_size for info in packed.infolist()) < 50 * MAX_BYTES
            )
    except (zipfile.BadZipFile, ValueError, RuntimeError):
        return False


@transaction.atomic
def read_document(document: ApplicationDocument, *, by: User) -> bytes:
    """The content, with the read written to the audit trail. Raises DocumentRefused when it was removed."""
    if document.removed_at is not None:
        raise DocumentRefused("removed", _("%s was removed.") % document.name)
    record_act(
        "application.document_read",
        actor=Actor.person(by),
        subject=document.application,
        data={"document": document.pk, "account": document.application.account_id},
    )
    return b"".join(bytes(part) for part in _parts(document))


@contextmanager
def opened(document: ApplicationDocument) -> Iterator[Path]:
    """The file as a temporary path, readable by this process's user only."""
    if document.removed_at is not None:
        raise DocumentRefused("removed", _("%s was removed.") % document.name)
    with tempfile.TemporaryDirectory(prefix="creditdesk-document-") as folder:
        path = Path(folder) / f"document{PurePosixPath(document.name).suffix.lower()}"
        with path.open("wb") as file:
            for content in _parts(document):
                file.write(content)
        yield path


def _parts(document: ApplicationDocument) -> Iterator[bytes | memoryview]:
    return document.parts.order_by("number").values_list("content", flat=True).iterator(4)


@transaction.atomic
def remove_document(document: ApplicationDocument, *, by: User, reason: str) -> ApplicationDocument:
    """Delete a document's content; that it was there, and who removed it, stays. Raises DocumentRefused."""
    if not reason.strip():
        raise DocumentRefused("no_reason", _("Say why the document is removed."))
    locked = ApplicationDocument.objects.select_for_update(of=("self",)).get(pk=document.pk)
    if locked.removed_at is not None:
        raise DocumentRefused("removed", _("%s was removed.") % locked.name)
    locked.removed_at, locked.removed_by, locked.removed_because = timezone.now(), by, reason.strip()
    locked.save(update_fields=["removed_at", "removed_by", "removed_because"])
    ApplicationDocumentPart.objects.filter(document=locked).delete()
    record_act(
        "application.document_removed",
        actor=Actor.person(by),
        subject=locked.application,
        note=reason,
        data={"document": locked.pk, "account": locked.application.account_id},
        changes=[Change.of(locked, {"removed": False}, {"removed": True})],
    )
    return locked
