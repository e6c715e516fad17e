"""The customers of the same sector."""

from __future__ import annotations

from .base import Signal

SIGNALS: tuple[Signal, ...] = ()
