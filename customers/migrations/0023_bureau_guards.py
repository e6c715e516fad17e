from django.db import migrations

from creditdesk.core.guards import append_only, refuse_when

DATES = ("effective_on", "known_on", "recorded_at")
CLOSING = ("known_until", "superseded_at")


class Migration(migrations.Migration):
    """What an agency said, who asked and what it cost only grows; a raw answer is never edited, but may be deleted."""

    dependencies = [
        ("customers", "0022_bureau_reports"),
    ]

    operations = [
        *append_only(
            "customers_bureaureport",
            (
                *("id", *DATES, "customer_id", "provider", "product", "reference", "outcome", "standing"),
                *("raw_score", "raw_scale", "pd_basis_points", "days_beyond_terms", "currency"),
                *("recommended_limit", "activity", "recorded_by_id", "batch_id"),
            ),
            set_once=CLOSING,
        ),
        *append_only(
            "customers_bureaubasis",
            ("id", *DATES, "customer_id", "ground", "reference", "expires_on", "recorded_by_id"),
            set_once=(*CLOSING, "revoked_on"),
        ),
        *append_only(
            "customers_bureaupull",
            (
                *("id", "customer_id", "provider_id", "cause", "in_spite_of_age", "asked_on", "asked_at"),
                *("asked_by_id", "actor_name", "idempotency_key", "currency", "price"),
            ),
            set_once=("answered_at", "charged", "report_id"),
        ),
        refuse_when(
            "customers_bureaupull_closed",
            "customers_bureaupull",
            "BEFORE UPDATE",
            "OLD.outcome <> 'asked' AND (OLD.outcome IS DISTINCT FROM NEW.outcome "
            "OR OLD.detail IS DISTINCT FROM NEW.detail OR OLD.attempts IS DISTINCT FROM NEW.attempts "
            "OR OLD.report_id IS DISTINCT FROM NEW.report_id OR OLD.charged IS DISTINCT FROM NEW.charged "
            "OR OLD.claimed_until IS DISTINCT FROM NEW.claimed_until)",
            "customers_bureaupull: a question that is over is never edited; ask again",
        ),
        refuse_when(
            "customers_bureaupull_reason",
            "customers_bureaupull",
            "BEFORE UPDATE",
            "OLD.reason IS DISTINCT FROM NEW.reason AND NEW.reason <> ''",
            "customers_bureaupull: what was recorded stays as it was; only its words may be erased",
        ),
        refuse_when(
            "customers_bureauanswer_frozen",
            "customers_bureauanswer",
            "BEFORE UPDATE",
            "",
            "customers_bureauanswer is append-only: an answer is deleted, never edited",
        ),
    ]
