from creditdesk.core import admin_machinery  # noqa: F401
