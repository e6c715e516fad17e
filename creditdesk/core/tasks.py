"""Core's own background work."""

from creditdesk.core.audit import seal_entries


def seal_audit_trail() -> int:
    """Seal what was added to the audit trail since the last seal; returns how many entries."""
    seal = seal_entries()
    return seal.entries if seal else 0
