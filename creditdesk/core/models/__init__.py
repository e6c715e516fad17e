from .audit import AuditChange, AuditEntry, AuditNote, AuditSeal, SealedEntry
from .user import User

__all__ = ["AuditChange", "AuditEntry", "AuditNote", "AuditSeal", "SealedEntry", "User"]
