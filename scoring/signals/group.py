"""Group and network: what happens to those it belongs with."""

from __future__ import annotations

from .base import Signal

SIGNALS: tuple[Signal, ...] = ()
