from .reminder import Reminder, ReminderItem
from .template import LANGUAGES, LEVELS, ReminderTemplate

__all__ = ["LANGUAGES", "LEVELS", "Reminder", "ReminderItem", "ReminderTemplate"]
