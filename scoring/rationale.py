"""Why a bin earns its points, in the reader's language.

An expert's reason is an English sentence, translated where a catalogue knows it. A fitted bin stores what was
observed in it as a code with numbers (`observed rows=.. bad=.. portfolio=..`); the sentence is made when read.
"""

from __future__ import annotations

import re

from django.utils import formats
from django.utils.translation import gettext as _

_OBSERVED = re.compile(r"observed rows=(\d+) bad=(\d+) portfolio=(\d*\.?\d+)( shared)?$")


def observed(rows: int, bad: int, portfolio: float, *, shared: bool = False) -> str:
    """The stored form: observations in the bin, how many were followed by a default, the portfolio's rate.

    shared: the missing value of an average; thin history has its points on one signal only.
    """
    return f"observed rows={rows} bad={bad} portfolio={portfolio:.4f}" + (" shared" if shared else "")


def shown(text: str) -> str:
    """The reason as a sentence in the active language."""
    found = _OBSERVED.match(text)
    if not found:
        return _(text)
    rows, bad, portfolio = int(found[1]), int(found[2]), float(found[3])
    if rows == 0:
        return _("Never seen when the card was fitted: counted like the portfolio.")
    if found[4]:
        return _(
            "Too little history for this average: counted like the portfolio; what thin history shows is "
            "counted once, elsewhere."
        )
    numbers = {
        "rate": _percent(bad / rows),
        "portfolio": _percent(portfolio),
        "bad": formats.number_format(bad, use_l10n=True, force_grouping=True),
        "rows": formats.number_format(rows, use_l10n=True, force_grouping=True),
    }
    if bad / rows < portfolio:
        return (
            _(
                "Safer than the portfolio: %(bad)s of %(rows)s observations defaulted (%(rate)s, all %(portfolio)s)."
            )
            % numbers
        )
    return (
        _(
            "Riskier than the portfolio: %(bad)s of %(rows)s observations defaulted (%(rate)s, all %(portfolio)s)."
        )
        % numbers
    )


def _percent(share: float) -> str:
    return _("%(number)s %%") % {"number": formats.number_format(100 * share, decimal_pos=1)}
