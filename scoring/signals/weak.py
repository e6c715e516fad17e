"""Weak signals: supplier payment days, management changes."""

from __future__ import annotations

from .base import Signal

SIGNALS: tuple[Signal, ...] = ()
