"""What dunning announces, inside the transaction of the change."""

from django.dispatch import Signal

# reminder: Reminder that could not be delivered; somebody has to find another way.
reminder_failed = Signal()
