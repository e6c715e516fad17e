from .audit import AuditChange, AuditEntry, AuditNote, AuditSeal, SealedEntry
from .job import Heartbeat, Job
from .mail import MailMode, MailPreference, Notice, NoticeCopy, StaffMail
from .user import User

__all__ = [
    "AuditChange",
    "AuditEntry",
    "AuditNote",
    "AuditSeal",
    "Heartbeat",
    "Job",
    "MailMode",
    "MailPreference",
    "Notice",
    "NoticeCopy",
    "SealedEntry",
    "StaffMail",
    "User",
]
