from .followup import FollowUp, Snooze
from .run import PendingAccount, WorklistRow, WorklistRun

__all__ = ["FollowUp", "PendingAccount", "Snooze", "WorklistRow", "WorklistRun"]
