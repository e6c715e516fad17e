from .job import Heartbeat, Job
from .user import User

__all__ = ["Heartbeat", "Job", "User"]
