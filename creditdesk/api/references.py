"""How a request names a credit account: by what the client's own system knows."""

from __future__ import annotations

from rest_framework import serializers

from creditdesk.api.fields import StrictSerializer


class AccountReference(StrictSerializer):
    """The customer number is enough where the customer has one account; otherwise company and segment say which."""

    customer = serializers.CharField(max_length=40, help_text="Customer number.")
    company = serializers.SlugField(required=False, max_length=20, help_text="Company code.")
    segment = serializers.SlugField(required=False, max_length=20, help_text="Code of the credit segment.")
