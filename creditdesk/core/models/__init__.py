from .audit import AuditChange, AuditEntry, AuditNote, AuditSeal, SealedEntry
from .job import Heartbeat, Job
from .user import User

__all__ = ["AuditChange", "AuditEntry", "AuditNote", "AuditSeal", "Heartbeat", "Job", "SealedEntry", "User"]
