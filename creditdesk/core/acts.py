"""What each kind of act in the audit trail is called, for people; the code itself is stored and searched.

An act of the admin on a row is "<model>.add", ".change" or ".delete" and named after its model.
"""

from __future__ import annotations

from typing import Any

from django.apps import apps
from django.utils.functional import Promise
from django.utils.text import capfirst
from django.utils.translation import gettext
from django.utils.translation import gettext_lazy as _

ACTS: dict[str, Promise] = {
    "api_key.make": _("API key made"),
    "api_key.revoke": _("API key revoked"),
    "api_key.rotate": _("API key rotated"),
    "account.collector": _("Collector assigned"),
    "application.decide": _("Credit application decided on"),
    "application.document": _("Document of an application added"),
    "application.document_read": _("Document of an application read"),
    "application.document_removed": _("Document of an application removed"),
    "application.letter": _("Letter on an application written"),
    "application.move": _("Credit application moved on"),
    "application.receive": _("Credit application received"),
    "bank_consent.record": _("Consent to bank data recorded"),
    "bank_consent.revoke": _("Consent to bank data revoked"),
    "bank_data.import": _("Bank data imported"),
    "bank_data.undo": _("Import of bank data undone"),
    "bureau.doubt": _("Question to an agency put down as doubtful"),
    "bureau.pull": _("Agency report received"),
    "bureau_basis.record": _("Legal basis of agency reports recorded"),
    "bureau_basis.revoke": _("Legal basis of agency reports revoked"),
    "check_policy.copied": _("Credit check policy copied to a draft"),
    "check_policy.draft_deleted": _("Draft credit check policy deleted"),
    "check_policy.edited": _("Draft credit check policy edited"),
    "check_policy.new": _("New version of the credit checks"),
    "check_policy.proposed": _("Credit check policy proposed"),
    "check_policy.published": _("Credit check policy published"),
    "check_policy.retired": _("Credit check policy retired"),
    "check_policy.sent_back": _("Credit check policy sent back"),
    "check_policy.simulated": _("Credit check policy simulated on the open orders"),
    "check_policy.withdrawn": _("Proposed credit check policy withdrawn"),
    "contact.bounced": _("E-mail address bounced"),
    "cover.withdraw": _("Cover withdrawn for new shipments"),
    "credit_cause.record": _("Cause of a cut recorded"),
    "customer.import": _("Customers imported"),
    "customer.merge": _("Duplicate customer merged"),
    "customer.parent": _("Group parent set"),
    "customer.status": _("Customer status set"),
    "customer.terms": _("Payment terms set"),
    "demo.load": _("Demo story loaded"),
    "dispute.close": _("Dispute closed"),
    "dispute.open": _("Dispute opened"),
    "evidence.import": _("Evidence imported"),
    "evidence.undo": _("Import of evidence undone"),
    "followup.call": _("Worklist: call logged"),
    "followup.dispute": _("Worklist: dispute opened"),
    "followup.email": _("Worklist: reminder e-mail written"),
    "followup.note": _("Worklist: note taken"),
    "followup.promise": _("Worklist: promise taken"),
    "followup.skip": _("Worklist: customer skipped"),
    "followup.snooze": _("Worklist: customer snoozed"),
    "followup.undo": _("Worklist: act undone"),
    "hold.place": _("Credit hold placed"),
    "hold.release": _("Credit hold released"),
    "ledger.allocate": _("Payment allocated"),
    "ledger.apply_credit_note": _("Credit note applied"),
    "ledger.correct_document": _("Document corrected"),
    "ledger.import": _("Ledger imported"),
    "ledger.move_payment": _("Payment moved to another account"),
    "ledger.post_document": _("Document posted"),
    "ledger.post_payment": _("Payment posted"),
    "ledger.refund": _("Payment refunded"),
    "ledger.return_payment": _("Payment returned by the bank"),
    "ledger.reverse_allocation": _("Allocation reversed"),
    "ledger.undo_import": _("Import undone"),
    "ledger.write_off": _("Debt written off"),
    "statement.correct": _("Annual accounts corrected"),
    "statement.record": _("Annual accounts recorded"),
    "legal_event.record": _("Legal event recorded"),
    "legal_event.take_back": _("Legal event taken back"),
    "limit_binding.decide": _("Which limit binds decided"),
    "limit_binding.propose": _("Which limit binds proposed"),
    "limit.review": _("Limit reviewed and left as it is"),
    "limit.rise_at_once": _("Limit raised at once by the policy"),
    "limit.approve": _("Limit change approved"),
    "limit.approve_first": _("Limit change approved by the first of two"),
    "limit.comment": _("Comment on a limit change"),
    "limit.cut_at_once": _("Limit cut at once"),
    "limit.delegate": _("Approval delegated"),
    "limit.delegation_ended": _("Delegation of approval ended early"),
    "limit.expire": _("Limit change expired"),
    "limit.propose": _("Limit change proposed"),
    "limit.reject": _("Limit change rejected"),
    "limit.supersede": _("Limit change replaced"),
    "limit.withdraw": _("Limit change withdrawn"),
    "limit_policy.copied": _("Limit policy copied to a draft"),
    "limit_policy.draft_deleted": _("Draft limit policy deleted"),
    "limit_policy.edited": _("Draft limit policy edited"),
    "limit_policy.proposed": _("Limit policy proposed"),
    "limit_policy.published": _("Limit policy published"),
    "limit_policy.retired": _("Limit policy retired"),
    "limit_policy.sent_back": _("Limit policy sent back"),
    "limit_policy.simulated": _("Limit policy simulated on the book"),
    "limit_policy.withdrawn": _("Proposed limit policy withdrawn"),
    "order_horizon.set": _("Order horizon set"),
    "order.bill": _("Part of an order billed"),
    "order.change": _("Order changed"),
    "order.close": _("Order closed"),
    "order.deliver": _("Order delivered"),
    "order.record": _("Order recorded"),
    "order.reopen": _("Order reopened"),
    "order_hold.close": _("Hold of a closed order ended"),
    "order_hold.cure": _("Order on hold passes again"),
    "order_hold.grace": _("Grace given to an order on hold"),
    "order_hold.place": _("Order put on hold"),
    "order_hold.reject": _("Order rejected"),
    "order_hold.release": _("Order released"),
    "order_hold.replace": _("Hold of an order replaced"),
    "promise.move": _("Promise to pay judged or withdrawn"),
    "promise.take": _("Promise to pay taken"),
    "reservation.expire": _("Reservation of headroom expired"),
    "reservation.make": _("Headroom reserved"),
    "reservation.release": _("Reservation of headroom released"),
    "reservation.use": _("Reservation became an order"),
    "score.contested": _("Score contested by the customer"),
    "score.overridden": _("Score overridden"),
    "score.override_ended": _("Override of a score ended"),
    "score.words_erased": _("Words of decisions on a score erased"),
    "score.reviewed": _("Score decided on by a person"),
    "scorecard.began": _("First day of a planned scorecard"),
    "scorecard.beside": _("Scorecard run beside the one in use"),
    "scorecard.beside_ended": _("Scorecard no longer run beside"),
    "scorecard.calibrated": _("Odds of a scorecard fitted to outcomes"),
    "scorecard.copied": _("Scorecard copied to a draft"),
    "scorecard.draft_deleted": _("Draft scorecard deleted"),
    "scorecard.edited": _("Draft scorecard edited"),
    "scorecard.fitted": _("Scorecard learned from the ledger"),
    "scorecard.gate_set": _("Gates of publishing set"),
    "scorecard.proposed": _("Scorecard proposed"),
    "scorecard.model_card_signed": _("Model card of a scorecard signed off"),
    "scorecard.published": _("Scorecard published"),
    "scorecard.retired": _("Scorecard retired"),
    "scorecard.shipped": _("Expert scorecard of the product added as a draft"),
    "scorecard.sent_back": _("Scorecard sent back"),
    "scorecard.withdrawn": _("Proposed scorecard withdrawn"),
    "invoice_card.fit": _("Invoice card learned from the ledger"),
    "invoice_card.use": _("Invoice card taken into use"),
    "scoring_job.start": _("Scoring of many accounts started"),
    "rates.import": _("Exchange rates imported"),
    "reminder.move": _("Reminder moved on"),
    "reminder.write": _("Reminder written"),
    "score.pass": _("Book scored"),
    "score.rescored": _("Accounts scored anew"),
    "staff_mail.note_sent": _("Mail to staff noted as sent"),
    "staff_mail.resend": _("Mail to staff sent again"),
    "terms_policy.copied": _("Terms policy copied to a draft"),
    "terms_policy.draft_deleted": _("Draft terms policy deleted"),
    "terms_policy.edited": _("Draft terms policy edited"),
    "terms_policy.proposed": _("Terms policy proposed"),
    "terms_policy.published": _("Terms policy published"),
    "terms_policy.retired": _("Terms policy retired"),
    "terms_policy.sent_back": _("Terms policy sent back"),
    "terms_policy.simulated": _("Terms policy simulated on the book"),
    "terms_policy.withdrawn": _("Proposed terms policy withdrawn"),
    "user.give_access": _("Access given"),
}

# Recorded by earlier versions only; what is in the trail keeps its name.
FORMER = frozenset({"check_policy.new"})

_VERBS = {"add": _("%(thing)s added"), "change": _("%(thing)s changed"), "delete": _("%(thing)s deleted")}


def act_label(act: str) -> str:
    """The act in the reader's language. A code nobody named shows itself: nothing is hidden."""
    if act in ACTS:
        return str(ACTS[act])
    model, _dot, verb = act.partition(".")
    thing = _model_name(model)
    if thing and verb in _VERBS:
        return str(_VERBS[verb]) % {"thing": thing}
    return act


def acts_like(words: str) -> list[str]:
    """Codes whose label in the reader's language contains the words, so that people search what they read."""
    wanted = words.casefold()
    return [code for code, label in ACTS.items() if wanted in str(label).casefold()]


def _model_name(name: str) -> str:
    found: Any = next((m for m in apps.get_models() if m._meta.model_name == name), None)
    return capfirst(gettext(str(found._meta.verbose_name))) if found else ""


# Policies by the name under which they act; a person's name stays as it is.
POLICIES: dict[str, Promise] = {
    **dict.fromkeys(
        (
            *("agency reports", "agency reports at night", "agency reports: onboarding"),
            *("agency reports: review", "agency reports: api", "agency reports: night"),
        ),
        _("agency reports"),
    ),
    "agency_fall": _("rule: agency's rating fell"),
    "cash_shock": _("rule: cash shock"),
    "ceased": _("rule: business ceased"),
    "decision rules": _("decision rules"),
    "insolvency": _("rule: insolvency"),
    "late_payment": _("rule: late payment"),
    "legal events": _("legal events"),
    "limit policy": _("limit policy"),
    "score_drop": _("rule: score drop"),
}


def actor_label(name: str) -> str:
    """Who acted, in the active language."""
    return str(POLICIES.get(name, name))
