"""Core's own background work."""

from django.utils import timezone

from creditdesk.core import notices, staff_mail
from creditdesk.core.audit import seal_entries
from creditdesk.core.clock import business_date


def seal_audit_trail() -> int:
    """Seal what was added to the audit trail since the last seal; returns how many entries."""
    seal = seal_entries()
    return seal.entries if seal else 0


def address_notices() -> int:
    """Work out who hears of what was just told (creditdesk/core/notices.py)."""
    return notices.address(business_date())


def send_staff_mail(mail_id: int) -> str:
    """Send one mail of the outbox; nothing happens when it is no longer queued, or waits for a pause to end."""
    return staff_mail.send(mail_id)


def sweep_staff_mail() -> int:
    """What lost its task, and what waited to be tried again. Returns how many mails left."""
    try:
        notices.address(business_date())
    except Exception:
        # Whatever failed there, what is written leaves.
        staff_mail.sweep(timezone.now())
        raise
    return staff_mail.sweep(timezone.now())


def forget_texts_of_mail() -> int:
    return staff_mail.forget_texts(timezone.now())
