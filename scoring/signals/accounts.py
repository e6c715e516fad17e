"""The customer's annual accounts."""

from __future__ import annotations

from .base import Signal

SIGNALS: tuple[Signal, ...] = ()
