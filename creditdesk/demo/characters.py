"""The named characters: customers whose story can be recognised on every page. docs/demo.md tells it in words."""

from __future__ import annotations

CHARACTERS: tuple = ()


def tell_characters(teller, seed: int) -> None:
    return
