"""How each account's documents are sent: some by paper, some electronically, some moved from the one to the other.

Drawn from a stream of its own, so that no other draw of the story depends on it.
"""

from __future__ import annotations

from dataclasses import dataclass
from random import Random

PAPER, ELECTRONIC, UNKNOWN = "paper", "electronic", ""
# Out of a hundred accounts: moved in the story's time; paper throughout; the rest electronic, or nobody noted it.
MOVED, ON_PAPER, ELECTRONIC_THROUGHOUT = 30, 32, 32


@dataclass(frozen=True, slots=True)
class Sending:
    """One channel until a day, another from that day on."""

    before: str = UNKNOWN
    after: str = UNKNOWN
    moved_on: int = 0

    def on(self, day: int) -> str:
        return self.after if day >= self.moved_on else self.before

    def delay(self, day: int, days: int) -> int:
        """Days added to what the payer would be late anyway: `days` by paper, as many less electronically."""
        return {PAPER: days, ELECTRONIC: -days}.get(self.on(day), 0)


def sending_of(seed: int, account: int, start: int, end: int) -> Sending:
    """The account's channel from the seed; a move falls into the middle of the time from `start` to `end`."""
    rng = Random(f"{seed}:sent:{account}")  # noqa: S311 a story, no secret
    draw, third = rng.randrange(100), (end - start) // 3
    if draw < MOVED:
        return Sending(PAPER, ELECTRONIC, start + third // 2 + rng.randrange(2 * third))
    if draw < MOVED + ON_PAPER:
        return Sending(PAPER, PAPER)
    if draw < MOVED + ON_PAPER + ELECTRONIC_THROUGHOUT:
        return Sending(ELECTRONIC, ELECTRONIC)
    return Sending()
