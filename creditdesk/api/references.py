"""How a request names a credit account: by what the client's own system knows."""

from __future__ import annotations

from creditdesk.api.fields import Code, StrictSerializer, Text

COMPANY_OF_DATE = "Company code: whose date it is today. Needed while our companies that sell to the customer have different dates."


class AccountReference(StrictSerializer):
    """The customer number is enough where the customer has one account; otherwise company and segment say which."""

    customer = Text(max_length=40, help_text="Customer number.")
    company = Code(required=False, help_text="Company code.")
    segment = Code(required=False, help_text="Code of the credit segment.")
