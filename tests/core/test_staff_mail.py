"""The outbox of mails to staff: one copy per person, tried until it leaves, never twice by itself; over a real socket."""

import smtplib
from dataclasses import replace
from datetime import date, timedelta

import pytest
from django.core import mail
from django.db import transaction
from django.urls import reverse
from django.utils import timezone
from django_q.models import OrmQ

from creditdesk.core import notices, staff_mail, tasks
from creditdesk.core.audit import Actor
from creditdesk.core.models import AuditEntry, MailMode, Notice, NoticeCopy, StaffMail, User
from creditdesk.core.notices import Line, Topic, address, choose_modes, tell, write_digests
from customers import notice_tasks
from tests.core.smtp_server import mail_server
from tests.desk_world import client_of
from tests.factories import make_company

pytestmark = pytest.mark.django_db
DAY = date(2026, 3, 2)
PAST = timezone.now() - timedelta(hours=1)


class Desk:
    """Two topics of its own: `concerns` says whom, `untrue` which are over."""

    def __init__(self) -> None:
        make = User.objects.create_user
        self.nina = make("nina", email="nina@x.example", first_name="Nina", language="it")
        self.otto = make("otto", email="otto@x.example")
        self.concerns = {self.nina.pk, self.otto.pk}
        self.untrue: set[str] = set()

    def people(self, rows, today):
        return {row.pk: self.concerns for row in rows}

    def lines(self, rows):
        return {
            row.pk: Line(f"About {row.key}", f"/desk/{row.key}/")
            for row in rows
            if row.key not in self.untrue
        }

    def tell(self, *keys, topic="urgent", on=DAY):
        with transaction.atomic():
            for key in keys:
                tell(topic, key, on=on, about={})


@pytest.fixture
def desk(monkeypatch, settings):
    monkeypatch.setattr(notices, "_topics", {})
    settings.BUSINESS_DATE = DAY
    settings.SITE_URL = "https://desk.example/"
    desk = Desk()
    for code, mode in (("urgent", MailMode.AT_ONCE), ("routine", MailMode.DIGEST)):
        topic = Topic(code, code.title(), mode, "core.view_user", desk.people, desk.lines, "desk:home")
        notices.register(topic)
    return desk


@pytest.fixture
def run(run_queued):
    """run(): what was told is addressed, what was written is sent. One transaction, as a test is, queues one task only."""

    def both():
        address(DAY)
        run_queued()

    return both


def states():
    return sorted(StaffMail.objects.values_list("user__username", "state"))


def test_one_mail_per_person_and_step_however_often_the_jobs_run(desk, run):
    desk.tell("a", "b")
    desk.tell("a")
    desk.tell("r1", topic="routine")
    assert OrmQ.objects.count() == 1, "one task per transaction"
    run()
    assert address(DAY) == 0
    assert sorted(m.to[0] for m in mail.outbox) == ["nina@x.example", "otto@x.example"]
    assert "About a" in mail.outbox[0].body and "https://desk.example/desk/b/" in mail.outbox[0].body
    assert mail.outbox[0].subject == "About a, and 1 more" or "altr" in mail.outbox[0].subject
    assert NoticeCopy.objects.filter(mail=None).count() == 2, "the routine one waits for the digest"
    for _again in range(2):
        write_digests(DAY)
        run()
    assert len(mail.outbox) == 4
    desk.tell("r2", topic="routine")
    run()
    assert write_digests(DAY) == 0, "one digest a day"
    assert write_digests(DAY + timedelta(days=1)) == 2
    with pytest.raises(RuntimeError, match="inside the transaction"):
        transaction.get_connection().in_atomic_block = False
        try:
            tell("urgent", "c", on=DAY, about={})
        finally:
            transaction.get_connection().in_atomic_block = True


def test_what_rolls_back_is_told_to_nobody(desk):
    with transaction.atomic():
        desk.tell("a")
        transaction.set_rollback(True)
    assert not Notice.objects.exists() and not OrmQ.objects.exists()


def test_nobody_is_mailed_who_left_may_not_read_it_or_does_not_want_it(desk, run):
    superuser = User.objects.create_superuser("root", email="root@x.example")
    quiet, silent = desk.nina, desk.otto
    for user in (quiet, silent):
        user.is_superuser = True  # may get both topics
        user.save()
    choose_modes(quiet, {"urgent": "none", "routine": "at_once", "unknown": "none"})
    with pytest.raises(ValueError, match="no way"):
        choose_modes(quiet, {"urgent": "twice"})
    desk.tell("a"), desk.tell("r", topic="routine")
    User.objects.create_user("gone", email="gone@x.example", is_active=False)
    desk.concerns |= {User.objects.get(username="gone").pk, User.objects.create_user("noaddress").pk}
    run()
    assert [(m.to[0], m.body.count("/desk/")) for m in mail.outbox] == [
        ("nina@x.example", 2),
        ("otto@x.example", 2),
    ]
    assert "/desk/r/" in mail.outbox[0].body and "/desk/a/" in mail.outbox[1].body
    # What waited for a digest is asked again in the morning.
    desk.tell("r2", "r3", topic="routine")
    address(DAY)
    desk.concerns, desk.untrue = {silent.pk}, {"r2"}
    assert write_digests(DAY) == 1
    digest = StaffMail.objects.latest("pk")
    assert (digest.user, "r3" in digest.body, "r2" in digest.body) == (silent, True, False)
    # History is told to nobody.
    desk.tell("old", on=DAY - timedelta(days=8))
    before = StaffMail.objects.count()
    address(DAY)
    assert StaffMail.objects.count() == before
    assert not StaffMail.objects.filter(user=superuser).exists()


def smtp(settings, port):
    settings.EMAIL_BACKEND = "django.core.mail.backends.smtp.EmailBackend"
    settings.EMAIL_HOST, settings.EMAIL_PORT = "127.0.0.1", port
    settings.DEFAULT_FROM_EMAIL = "Credit desk <desk@x.example>"


def test_over_a_real_socket_text_and_html_in_the_readers_language(desk, settings, run):
    with mail_server() as box:
        smtp(settings, box.port)
        desk.tell("Società\nBcc: all@x.example")
        run()
    assert states() == [("nina", "sent"), ("otto", "sent")]
    (to, message), _other = sorted(box.taken, key=lambda one: one[0])
    row = StaffMail.objects.get(user=desk.nina)
    assert to == "nina@x.example" and message["From"] == "Credit desk <desk@x.example>"
    assert message["Message-ID"] == f"<{row.public_id}@x.example>" and message["Bcc"] is None
    assert message["Auto-Submitted"] == "auto-generated"
    plain, html = message.get_payload()
    assert (plain.get_content_type(), html.get_content_type()) == ("text/plain", "text/html")
    text = plain.get_payload(decode=True).decode()
    assert "Nina" in text and "https://desk.example" + reverse("mail_preferences") in text
    page = html.get_payload(decode=True).decode()
    assert 'lang="it"' in page and "Società" in page and "<script" not in page


def test_a_server_that_is_away_or_says_later_is_tried_again_with_growing_pauses(desk, settings, run):
    with mail_server() as box:
        nobody_there = box.port
    smtp(settings, nobody_there)
    desk.tell("a")
    run()
    first, other = StaffMail.objects.order_by("user__username")
    assert (first.state, first.attempts, "ConnectionRefused" in first.error) == ("queued", 1, True)
    assert staff_mail.send(first.pk) == "queued", "its pause is not over"
    waits = []
    for _try in range(3):
        StaffMail.objects.update(try_after=PAST)
        assert staff_mail.sweep(timezone.now()) == 0
        first.refresh_from_db()
        waits.append(round((first.try_after - timezone.now()).total_seconds() / 60))
    assert waits == [2, 4, 8]
    StaffMail.objects.filter(pk=other.pk).update(attempts=staff_mail.MAX_ATTEMPTS - 1)
    StaffMail.objects.update(try_after=PAST)
    staff_mail.sweep(timezone.now())
    assert states() == [("nina", "queued"), ("otto", "failed")]
    with mail_server() as box:
        smtp(settings, box.port)
        box.refuse["nina@x.example"] = "451 greylisted, come back"
        StaffMail.objects.update(try_after=PAST)
        assert staff_mail.sweep(timezone.now()) == 0
        first.refresh_from_db()
        assert (first.state, first.error, first.claimed_at) == ("queued", "451 greylisted, come back", None)
        box.refuse.clear()
        StaffMail.objects.update(try_after=PAST)
        assert staff_mail.sweep(timezone.now()) == 1
        assert states() == [("nina", "sent"), ("otto", "failed")]
        desk.tell("b")
        box.refuse["nina@x.example"] = "550 no such person"
        run()
    assert list(StaffMail.objects.filter(user=desk.nina).values_list("state", "error").order_by("pk")) == [
        ("sent", ""),
        ("failed", "550 no such person"),
    ]


def test_a_mail_that_may_have_left_is_never_sent_again_by_a_machine(desk, settings, run, cast):
    admin = User.objects.create_superuser("admin", email="admin@x.example")
    desk.concerns = {desk.nina.pk}
    desk.tell("a")
    address(DAY)
    row = StaffMail.objects.get()
    with mail_server() as box:
        smtp(settings, box.port)
        box.hang_up = True
        with pytest.raises(smtplib.SMTPServerDisconnected):
            staff_mail.send(row.pk)
        box.hang_up = False
        run()
        staff_mail.sweep(timezone.now())
        assert (len(box.taken), states()) == (1, [("nina", "sending")])
        assert not staff_mail.in_doubt(timezone.now()).exists(), "it may still be on its way"
        page = reverse("admin:core_staffmail_changelist")
        ask = {"action": "send_again", "_selected_action": [row.pk]}
        answer = client_of(admin).post(page, ask, follow=True).content.decode()
        assert "left alone" in answer and states() == [("nina", "sending")]
        StaffMail.objects.update(claimed_at=PAST)
        assert "Mail to staff" in client_of(admin).get(page + "?trouble=doubt").content.decode()
        # A role that may look may not send, nor read what went to others.
        assert client_of(cast.auditor).get(page).status_code == 200
        detail = reverse("admin:core_staffmail_change", args=[row.pk])
        assert "About a" not in client_of(cast.auditor).get(detail).content.decode()
        assert "About a" in client_of(admin).get(detail).content.decode()
        client_of(cast.auditor).post(page, ask)
        assert states() == [("nina", "sending")]
        client_of(admin).post(page, ask)
        run()
        assert states() == [("nina", "sent")]
    assert [message["Message-ID"] for _to, message in box.taken] == [f"<{row.public_id}@x.example>"] * 2
    entry = AuditEntry.objects.get(act="staff_mail.resend")
    assert (entry.actor, entry.changes.get().before) == (admin, {"state": "sending"})
    StaffMail.objects.update(state="sending", claimed_at=PAST, sent_at=None)
    client_of(admin).post(page, ask | {"action": "note_as_sent"})
    assert states() == [("nina", "sent")] and len(box.taken) == 2


def test_a_mail_kept_back_for_long_is_asked_again_whom_it_concerns(desk, run):
    desk.tell("a", "b")
    address(DAY)
    OrmQ.objects.all().delete()
    User.objects.filter(pk=desk.otto.pk).update(is_active=False)
    StaffMail.objects.update(written_at=PAST)
    desk.untrue = {"a"}
    desk.people = lambda rows, today: {row.pk: {desk.nina.pk} for row in rows if row.key != "a"}
    topic = notices._topics["urgent"]
    notices._topics["urgent"] = Topic(
        *(topic.code, topic.label, topic.mode, topic.permission, desk.people, topic.lines, topic.page)
    )
    staff_mail.sweep(timezone.now())
    run()
    assert states() == [("nina", "cancelled"), ("nina", "sent"), ("otto", "cancelled")]
    assert [(m.to[0], "About b" in m.body, "About a" in m.body) for m in mail.outbox] == [
        ("nina@x.example", True, False)
    ]


def test_a_server_that_ends_the_session_leaves_the_next_mail_out_of_doubt(desk, settings, run):
    with mail_server() as box:
        smtp(settings, box.port)
        desk.tell("a")
        address(DAY)
        StaffMail.objects.filter(user=desk.nina).update(try_after=PAST)
        box.refuse["nina@x.example"] = "421 too many, come back"
        assert staff_mail.sweep(timezone.now()) == 1
    assert states() == [("nina", "queued"), ("otto", "sent")]


def test_a_digest_cancelled_the_day_after_goes_into_the_next_regular_one(desk):
    desk.concerns = {desk.nina.pk}
    desk.tell("r", topic="routine")
    address(DAY)
    write_digests(DAY)
    mail_of_the_day = StaffMail.objects.get()
    assert notices.write_anew(mail_of_the_day, DAY + timedelta(days=1)) == 0
    assert NoticeCopy.objects.get().mail is None, "it waits, and does not use up the key of the new day"
    assert write_digests(DAY + timedelta(days=1)) == 1
    assert notices.write_anew(StaffMail.objects.latest("pk"), DAY + timedelta(days=1)) == 1, "the same day"


def refuse(*_args):
    raise LookupError("no such page")


def break_topic(code, **how):
    notices._topics[code] = replace(notices._topics[code], **how)


@pytest.mark.parametrize("how", ["people", "lines"])
def test_a_topic_that_fails_when_mails_are_written_keeps_only_its_own_notices(how, desk, monkeypatch):
    for code, mode in (("bad", MailMode.AT_ONCE), ("bad too", MailMode.DIGEST)):
        notices.register(Topic(code, code, mode, "core.view_user", desk.people, desk.lines, "desk:home"))
    desk.tell("r", topic="routine")
    desk.tell("waits for the digest", topic="bad too")
    address(DAY)
    desk.tell("a")
    desk.tell("x", topic="bad")
    untold = Notice.objects.filter(addressed_at=None)
    with monkeypatch.context() as patch:
        patch.setattr(notices, "_write", lambda *args: (0, []))
        address(DAY)
    assert not untold.exists()
    for code in ("bad", "bad too"):
        break_topic(code, **{how: refuse})
    # The at-once mails of the others leave with the same sweep, the digests are written the same morning.
    with pytest.raises(LookupError):
        tasks.sweep_staff_mail()
    assert states() == [("nina", "sent"), ("otto", "sent")]
    with pytest.raises(LookupError):
        write_digests(DAY)
    assert [(m.mode, "About a" in m.body, "About r" in m.body) for m in StaffMail.objects.order_by("pk")] == [
        *[("at_once", True, False)] * 2,
        *[("digest", False, True)] * 2,
    ]
    waiting = NoticeCopy.objects.filter(mail=None, is_dropped=False)
    assert set(waiting.values_list("notice__key", flat=True)) == {"x", "waits for the digest"}
    for code in ("bad", "bad too"):
        break_topic(code, people=desk.people, lines=desk.lines)
    address(DAY)
    assert write_digests(DAY + timedelta(days=1)) == 2 and not waiting.exists()


def test_a_mail_whose_topic_cannot_be_asked_does_not_hold_up_the_sweep(desk):
    desk.concerns = {desk.nina.pk}
    desk.tell("a", "x")
    address(DAY)
    StaffMail.objects.update(written_at=PAST, try_after=PAST)
    desk.concerns = {desk.otto.pk}
    notices.register(
        Topic("b", "B", MailMode.AT_ONCE, "core.view_user", desk.people, desk.lines, "desk:home")
    )
    desk.tell("b", topic="b")
    address(DAY)
    break_topic("urgent", people=refuse)
    with pytest.raises(LookupError):
        staff_mail.sweep(timezone.now())
    assert states() == [("nina", "queued"), ("otto", "sent")]
    assert StaffMail.objects.get(user=desk.nina).attempts == 1, "it waits for its pause, the others go first"


def test_digests_are_written_though_a_topic_cannot_be_addressed(desk, monkeypatch):
    company = make_company()
    monkeypatch.setattr(notice_tasks, "companies_of", lambda users: {pk: {company.pk} for pk in users})
    notices.register(Topic("bad", "B", MailMode.DIGEST, "core.view_user", refuse, desk.lines, "desk:home"))
    desk.tell("x", topic="bad")
    desk.tell("r", topic="routine")
    with pytest.raises(LookupError):
        notice_tasks.write_digests(DAY.isoformat())
    assert states() == [("nina", "queued"), ("otto", "queued")]


def test_a_topic_that_fails_does_not_keep_the_others_waiting(desk, run_queued):
    notices.register(
        Topic("broken", "Broken", MailMode.AT_ONCE, "core.view_user", refuse, desk.lines, "desk:home")
    )
    desk.tell("x", topic="broken")
    desk.tell("a")
    with pytest.raises(LookupError):
        address(DAY)
    run_queued_mails = StaffMail.objects.values_list("state", flat=True)
    assert list(run_queued_mails) == ["queued", "queued"]
    assert [row.key for row in Notice.objects.filter(addressed_at=None)] == ["x"]


def test_texts_are_forgotten_and_what_was_sent_stays(desk, run):
    desk.tell("a")
    run()
    StaffMail.objects.filter(user=desk.nina).update(written_at=timezone.now() - timedelta(days=100))
    assert staff_mail.forget_texts(timezone.now()) == 1 and Notice.objects.count() == 1
    Notice.objects.update(written_at=timezone.now() - timedelta(days=500))
    assert staff_mail.forget_texts(timezone.now()) == 0 and not Notice.objects.exists()
    assert sorted(StaffMail.objects.values_list("state", "body"))[0] == ("sent", "")
    with pytest.raises(staff_mail.NotInDoubt):
        staff_mail.send_again(StaffMail.objects.first(), actor=Actor.job("x"), now=timezone.now())
