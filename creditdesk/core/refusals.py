"""What the database's guards refuse, said in the reader's language.

A guard (creditdesk/core/guards.py) refuses with an English sentence that begins with its table, for operators and
logs. People read the sentence given here, at the edge where it is shown.
"""

from __future__ import annotations

import re

from django.db import DatabaseError
from django.utils.functional import Promise
from django.utils.translation import gettext_lazy as _

# Of tables that only grow; their refusals differ in nothing but the table.
APPEND_ONLY = "is append-only"
_KEPT = _("What was recorded stays as it was: record a correction instead of changing or deleting it.")

_ERASED = _("What was recorded stays as it was; only its words may be erased, all of them and for good.")
_UNDER_WAY = _("What is still under way keeps its words: erase them once it is over.")

# What the ledger refers to (creditdesk/core/slimming.py); the columns are for operators.
# Kept scores refer to their account in the same way (scoring/migration_steps.py).
_REFERENCE = re.compile(
    r"\b\w+_\w+: \w+ (must name|names) a row|\b\w+_\w+: a row is still named by"
    r"|\b\w+_\w+: no such account|\b\w+_\w+: its kept scores refer to it"
)
_REFERS = _(
    "A row of the ledger must belong to the document it names, with the same company, account and currency."
)

REFUSALS: dict[str, Promise] = {
    "customers_bankaccount: an account keeps its customer": _(
        "A bank account keeps its customer, number and currency."
    ),
    "customers_bankaccount: an account stays under an unrevoked consent": _(
        "A bank account stays under a consent of its own customer that was not revoked."
    ),
    "customers_bankaccount: no consent of the customer is in force": _(
        "No consent of the customer is in force: record one first."
    ),
    "customers_banktransaction: bank data is deleted by revoking": _(
        "Bank data is deleted by revoking its consent, never otherwise."
    ),
    "customers_banktransaction: no consent of the customer is in force": _(
        "No consent of the customer is in force: record one before its bank lines."
    ),
    "customers_bureaupull: a question that is over": _(
        "A question to an agency that is over stays as it is: ask again."
    ),
    "customers_bureaupull: what was recorded stays": _ERASED,
    "customers_creditlimit: a limit moves only through an applied limit change": _(
        "A limit moves only through an approved limit change of the same amount."
    ),
    "customers_creditlimit: one temporary limit per account and day": _(
        "There is a temporary limit on some of these days already: choose other dates."
    ),
    "customers_creditapplication: an application that is over": _(
        "An application that is over stays over: take in a new one."
    ),
    "customers_customer: customers are never deleted": _(
        "Customers are never deleted: merge the customer into another, or close it."
    ),
    "customers_limitchange: a decided change is never edited": _(
        "A decided limit change is never changed: propose a new one."
    ),
    "customers_limitchange: what is still under way": _UNDER_WAY,
    "customers_bureaubasis: what is still under way": _UNDER_WAY,
    "customers_applicationdocument: what is still under way": _UNDER_WAY,
    "customers_orderhold: what is still under way": _UNDER_WAY,
    "customers_limitbinding: what is still under way": _UNDER_WAY,
    "customers_credithold: a released hold is never edited": _(
        "A released hold is never changed: place a new one."
    ),
    "customers_credithold: what is still under way": _UNDER_WAY,
    "customers_limitbinding: what was decided is never edited": _(
        "Which limit binds was decided and stays as it is: propose a new setting."
    ),
    "customers_limitchange: a change is decided only by the decisions": _(
        "A limit change is applied or rejected only by the people its authority asks for."
    ),
    "customers_limitchange: a change starts as proposed": _(
        "A limit change starts as a proposal: decide it afterwards."
    ),
    "customers_limitchange: changes are never deleted": _(
        "Limit changes are never deleted: withdraw it instead."
    ),
    "customers_limitchange: what is proposed and by whom stays": _(
        "What is proposed, and by whom, stays: amend it, which proposes a new one."
    ),
    "scoring_decision: a person settles": _(
        "A person settles a decision that was left to a person, on its own account."
    ),
    "customers_orderhold: a decided hold is never edited": _(
        "A decided hold of an order is never changed: the order is held anew."
    ),
    "customers_reservation: a closed reservation is never edited": _(
        "A closed reservation is never changed: reserve again."
    ),
    "customers_limitchange: a rise that waits for nobody": _(
        "A rise that waits for nobody stays within the active limit policy: its amounts, steps and days between rises."
    ),
    "scoring_limitpolicy: a draft is proposed first": _(
        "A draft of a limit policy is proposed first, and published by a second person."
    ),
    "scoring_limitpolicy: a policy that was proposed is never edited": _(
        "A limit policy that was proposed is never changed: make a new version."
    ),
    "customers_limitdecision: nobody decides their own proposal": _(
        "Nobody decides their own proposal, nor stands in for its proposer: somebody else has to decide."
    ),
    "customers_limitdecision: nobody decides twice": _(
        "Nobody decides a change twice, in person or by deputy: it takes a second person."
    ),
    "customers_limitdecision: only a waiting change is decided": _(
        "Only a waiting limit change is decided: propose a new one."
    ),
    "customers_limitdecision: a deputy decides only": _(
        "A deputy decides only under a delegation in force for this company: record one first."
    ),
    "customers_limitdecision: no authority covers": _(
        "No authority covers this direction, amount and grade: ask somebody whose does."
    ),
    "scoring_scoreoverride: what was recorded stays": _ERASED,
    "scoring_scorereview: what was recorded stays": _ERASED,
    "scoring_checkpolicy: a draft is proposed first": _(
        "A draft of a credit check policy is proposed first, and published by a second person."
    ),
    "scoring_checkpolicy: a policy that was proposed is never edited": _(
        "A credit check policy that was proposed is never changed: make a new version."
    ),
    "scoring_termspolicy: a draft is proposed first": _(
        "A draft of a terms policy is proposed first, and published by a second person."
    ),
    "scoring_termspolicy: a policy that was proposed is never edited": _(
        "A terms policy that was proposed is never changed: make a new version."
    ),
    "a version never counts for days before it was made": _(
        "A version counts from the day of its publishing or a later one, never for days before."
    ),
    "a version is published by somebody who neither made nor edited it": _(
        "A version is published by somebody who neither made, edited nor proposed it."
    ),
    "who made, proposed and published a version stays as it was": _(
        "Who made, proposed and published a version stays as it was."
    ),
    "scoring_scorereview: a contest is answered": _(
        "A contest is answered on its own account, by another person than decided first."
    ),
    "scoring_scorecard: a draft is proposed first": _(
        "A draft of a scorecard is proposed first, and published by a second person."
    ),
    "scoring_scorecard: what taught a card stays with it": _(
        "What a card was taught stays with it, whatever else is changed."
    ),
    "scoring_scorecard: a card that was active is never edited": _(
        "A scorecard that was active is never changed: make a new version."
    ),
}


def refusal_of(error: DatabaseError) -> str:
    """The sentence for a person, or "" when the error is no guard's refusal."""
    text = str(error)
    for code, sentence in REFUSALS.items():
        if code in text:
            return str(sentence)
    if _REFERENCE.search(text):
        return str(_REFERS)
    return str(_KEPT) if re.search(rf"\b\w+_\w+ {APPEND_ONLY}", text) else ""
