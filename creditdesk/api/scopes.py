"""What a key may be allowed, as data: each scope with what it opens and the permission its user needs besides.

A key can never do more than the person or program it acts for: taking a role away from the user takes it away from
its keys at the same moment.
"""

from __future__ import annotations

from dataclasses import dataclass

from django.utils.functional import Promise
from django.utils.translation import gettext_lazy as _


@dataclass(frozen=True, slots=True)
class Scope:
    code: str
    label: str | Promise
    permission: str


SCOPES = {
    scope.code: scope
    for scope in (
        Scope(
            "customers:read", _("Read customers and their credit accounts"), "customers.view_creditaccount"
        ),
        Scope(
            "exposures:read",
            _("Read exposure, open invoices, limits and headroom"),
            "customers.view_instalment",
        ),
        Scope("limit-changes:read", _("Read limit changes"), "customers.view_limitchange"),
        Scope("limit-changes:propose", _("Propose limit changes"), "customers.propose_limitchange"),
        Scope("decisions:read", _("Read decisions on credit"), "scoring.view_decision"),
        Scope("decisions:make", _("Ask for decisions on credit"), "scoring.add_decision"),
        Scope(
            "credit-checks:run",
            _("Check credit for orders, deliveries and invoices"),
            "customers.view_creditlimit",
        ),
        Scope("reservations:make", _("Reserve and release headroom"), "customers.add_reservation"),
        Scope("applications:read", _("Read credit applications"), "customers.view_creditapplication"),
        Scope("applications:write", _("Submit credit applications"), "customers.add_creditapplication"),
        Scope("legal-events:read", _("Read legal events"), "customers.view_legalevent"),
        Scope("legal-events:record", _("Record legal events"), "customers.add_legalevent"),
        Scope("consents:read", _("Read consents to bank data"), "customers.view_bankconsent"),
        Scope("consents:record", _("Record consents to bank data"), "customers.add_bankconsent"),
        Scope(
            "consents:revoke",
            _("Revoke consents, which deletes the bank data read under them"),
            "customers.change_bankconsent",
        ),
        Scope("annual-accounts:read", _("Read annual accounts"), "customers.view_financialstatement"),
        Scope("annual-accounts:record", _("Record annual accounts"), "customers.add_financialstatement"),
        Scope("agency-reports:read", _("Read what credit agencies say"), "customers.view_bureaureport"),
        Scope("agency-reports:ask", _("Have credit agencies asked, at a price"), "customers.add_bureaupull"),
        Scope("scoring-jobs:run", _("Score accounts in bulk"), "api.add_scoringjob"),
    )
}
