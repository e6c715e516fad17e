import django.core.serializers.json
from django.db import migrations, models

from creditdesk.core.guards import refuse_when

SAMPLE = ("observations", "customers", "events", "customer_years")
FROZEN = "scoring_scorecard: a card that was active is never edited; make a new version"


def write_what_taught_them(apps, schema_editor):
    """From the chain of versions, where it was looked up before. Where an ancestor was thrown away before that was
    refused, a card whose fitted odds nobody calibrated alone (no customer-years were kept then) was learned by its day."""
    using = schema_editor.connection.alias
    cards = {card.pk: card for card in apps.get_model("scoring", "Scorecard").objects.using(using).all()}
    reports = {}
    rows = apps.get_model("scoring", "CardReport").objects.using(using)
    for report in rows.filter(kind__in=["fit", "calibrated"]).order_by("-pk"):
        reports.setdefault((report.card_id, report.kind), []).append(report)
    for card in cards.values():
        learned, taught = _points(card, cards, reports), {}
        if learned is not None:
            taught["points"] = learned
        odds = _odds(card, cards, reports)
        if odds:
            taught["odds"] = odds
        until = learned and learned["until"]
        if not learned and not odds and card.calibration == "fitted" and card.calibration_years is None:
            until = card.calibrated_on
        if until or taught:
            type(card).objects.using(using).filter(pk=card.pk).update(learned_until=until, taught=taught)


def _ancestors(card, cards):
    seen = set()
    while card is not None and card.pk not in seen:
        seen.add(card.pk)
        yield card
        card = cards.get(card.based_on_id)


def _points(card, cards, reports):
    for version in _ancestors(card, cards):
        newest = next(iter(reports.get((version.pk, "fit"), ())), None)
        if newest is not None and newest.figures.get("until"):
            return _lesson(version, newest, newest.figures["until"])
    return None


def _odds(card, cards, reports):
    return [
        _lesson(version, report, report.as_of.isoformat())
        | {name: report.figures.get(name) for name in ("state", "expert", "odds_after")}
        for version in _ancestors(card, cards)
        for report in reports.get((version.pk, "calibrated"), ())
    ]


def _lesson(card, report, until):
    return {
        "until": until,
        "made_on": report.made_at.date().isoformat(),
        "card": card.pk,
        "version": f"{card.code} {card.version}",
        "report": report.pk,
        **{name: report.figures.get(name) for name in SAMPLE},
    }


class Migration(migrations.Migration):
    """What a card was taught stands on the card, not in the versions it was made from."""

    dependencies = [
        ("scoring", "0029_erasable_decisions"),
    ]

    operations = [
        migrations.AddField(
            model_name="scorecard",
            name="learned_until",
            field=models.DateField(
                blank=True,
                editable=False,
                help_text="The last day whose outcomes taught the points, here or in the version they were copied from.",
                null=True,
                verbose_name="learned until",
            ),
        ),
        migrations.AddField(
            model_name="scorecard",
            name="taught",
            field=models.JSONField(
                blank=True,
                default=dict,
                editable=False,
                encoder=django.core.serializers.json.DjangoJSONEncoder,
                verbose_name="what it was taught",
            ),
        ),
        migrations.RunPython(write_what_taught_them, migrations.RunPython.noop, elidable=True),
        refuse_when(
            "scoring_scorecard_taught_frozen",
            "scoring_scorecard",
            "BEFORE UPDATE",
            "OLD.status <> 'draft' AND (OLD.learned_until IS DISTINCT FROM NEW.learned_until "
            "OR OLD.taught IS DISTINCT FROM NEW.taught)",
            FROZEN,
        ),
        refuse_when(
            "scoring_scorecard_stays_taught",
            "scoring_scorecard",
            "BEFORE UPDATE",
            "OLD.learned_until IS NOT NULL AND (NEW.learned_until IS NULL OR NEW.learned_until < OLD.learned_until)",
            "scoring_scorecard: what taught a card stays with it",
        ),
    ]
