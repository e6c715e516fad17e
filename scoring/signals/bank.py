"""The customer's bank flows."""

from __future__ import annotations

from .base import Signal

SIGNALS: tuple[Signal, ...] = ()
