"""The ready roles: Django groups by these names. What each may do is in creditdesk/roles.py."""

CONTROLLER = "credit controller"
APPROVER = "approver"
COLLECTOR = "collector"
MANAGER = "manager"
AUDITOR = "auditor"
INTEGRATION = "integration"

ALL = (CONTROLLER, APPROVER, COLLECTOR, MANAGER, AUDITOR, INTEGRATION)
