"""Asking an agency over the network, and reading what it says: against a real server with recorded answers."""

from datetime import date
from decimal import Decimal

import pytest

from customers.bureau import http
from customers.bureau.adapters import BadAnswer, Question, Refused, Terms, Unavailable
from customers.bureau.adapters.creditsafe import Creditsafe
from customers.bureau.adapters.json_http import JsonHttp
from customers.bureau.secrets import check_place, secret_of
from customers.models import BureauProvider
from tests.customers.bureau.agency import ANSWER, configured

AS_OF = date(2026, 3, 15)


def question(vat="IT01234567890", **changes):
    return Question("Alfa Srl", "IT", "company", AS_OF, vat_number=vat, idempotency_key="k-1", **changes)


def test_what_may_go_wrong_on_the_way_is_told_apart(agency):
    agency.play("bad")

    def outcome(path, seconds=3.0):
        try:
            return http.ask("GET", agency.url + path, seconds=seconds).status
        except (Unavailable, Refused, BadAnswer) as error:
            return type(error).__name__, getattr(error, "was_sent", None), error.retry_after

    assert outcome("/404") == 404
    assert outcome("/401") == ("Refused", None, None)
    assert outcome("/429") == ("Unavailable", False, 30)
    assert outcome("/500") == ("Unavailable", False, None)
    assert outcome("/400") == ("Refused", None, None)
    assert outcome("/302") == ("Refused", None, None)
    assert [one["path"] for one in agency.asked].count("/302") == 1  # and nobody went where it pointed
    assert outcome("/truncated") == ("Unavailable", True, None)
    assert outcome("/slow", 0.3) == ("Unavailable", True, None)
    assert outcome("/drip", 0.5) == ("Unavailable", True, None)
    assert outcome("/huge") == ("BadAnswer", None, None)
    with pytest.raises(BadAnswer, match="not JSON"):
        http.ask("GET", agency.url + "/html").json()


@pytest.mark.parametrize(
    "address",
    (
        *(
            "127.0.0.1",
            "10.1.2.3",
            "169.254.169.254",
            "100.64.0.1",
            "0.0.0.0",
            "224.0.0.1",
            "::1",
            "fd00::1",
            "fec0::1",
        ),
        *("fe80::1%eth0", "::ffff:127.0.0.1", "64:ff9b::7f00:1", "2002:7f00:1::", "::"),
    ),
)
def test_addresses_of_our_own_network_are_not_public(address):
    assert not http.is_public(address)


def test_only_public_https_addresses_are_asked(settings):
    settings.BUREAU_PRIVATE_HOSTS = []
    assert http.is_public("93.184.216.34") and http.is_public("2606:2800:220:1:248:1893:25c8:1946")
    for url in (
        "http://93.184.216.34/",
        "https://user:pw@93.184.216.34/",
        "file:///etc/passwd",
        "https:///x",
        "x",
    ):
        with pytest.raises(Refused):
            http.checked_address(url)
    for host in ("localhost", "2130706433", "[::ffff:127.0.0.1]"):
        with pytest.raises(Refused, match="own network"):
            http.ask("GET", f"https://{host}:9/")


def test_the_configured_agency_is_asked_and_read(agency):
    adapter, settings = JsonHttp(), configured(agency)
    assert adapter.check(settings) == []
    answer = adapter.ask(question(), Terms(settings, "s3cret"))
    sent = agency.asked[0]["headers"]
    assert (sent["Authorization"], sent["Idempotency-Key"]) == ("Bearer s3cret", "k-1")
    assert (answer.outcome, answer.standing, answer.raw_score, answer.raw_scale) == ("rated", 80, "2", "6-1")
    assert (answer.effective_on, answer.pd_basis_points, answer.days_beyond_terms) == (
        date(2026, 3, 1),
        130,
        12,
    )
    assert (answer.recommended_limit, answer.currency, answer.activity) == (Decimal(25000), "EUR", "active")
    assert answer.reference == "R-77"
    assert adapter.ask(question("IT00000000002"), Terms(settings)).outcome == "unrated"
    assert adapter.ask(question("IT00000000009"), Terms(settings)).outcome == "not_found"
    with pytest.raises(Refused, match="vat_number"):
        adapter.ask(question(""), Terms(settings))
    # What a customer record holds stays one step of the path.
    adapter.ask(question("../../admin?x=1"), Terms(settings))
    assert agency.asked[-1]["path"] == "/v1/IT/..%2F..%2Fadmin%3Fx%3D1"


@pytest.mark.parametrize(
    ("answer", "field"),
    [
        ("[]", ""),
        ('{"rating": {"value": "9"}}', "rating/value"),
        ('{"rating": {"value": true}}', "rating/value"),
        ('{"rating": {"value": {"a": 1}}}', "rating/value"),
        ('{"rating": {"value": 2, "date": "2027-01-01"}}', "rating/date"),
        ('{"rating": {"value": 2, "date": "<b>soon</b>"}}', "rating/date"),
        ('{"rating": {"value": 2, "pd": 120}}', "rating/pd"),
        ('{"rating": {"value": 2, "pd": NaN}}', ""),
        ('{"rating": {"value": 2}, "payment": {"dbt": 1e400}}', "payment/dbt"),
        (
            '{"rating": {"value": 2}, "limit": {"amount": 99999999999999999999, "currency": "EUR"}}',
            "limit/amount",
        ),
        ('{"rating": {"value": 2}, "limit": {"amount": -5, "currency": "EUR"}}', "limit/amount"),
        ('{"rating": {"value": 2}, "limit": {"amount": 5}}', "limit/amount"),
        ("[" * 100_000, ""),
    ],
)
def test_an_answer_that_cannot_be_used_names_its_field(answer, field):
    with pytest.raises(BadAnswer) as refused:
        JsonHttp().read(answer, {"answer": ANSWER}, AS_OF)
    assert refused.value.field == field


def test_settings_are_checked_before_they_are_used(agency):
    check = JsonHttp().check
    for wrong, word in (
        ({"url": "https://{country}.example/x/{name}"}, "host"),
        ({"url": "http://agency.example/{name}"}, "https"),
        ({"url": f"{agency.url}/all"}, "whom"),
        ({"url": f"{agency.url}/{{vat}}/{{name}}"}, "vat"),
        ({"method": "DELETE"}, "method"),
        ({"answer": {**ANSWER, "scale": {"table": {"A": 120}}}}, "scale"),
        ({"answer": {**ANSWER, "scale": {"from": 1, "to": 1}}}, "scale"),
        ({"answer": {**ANSWER, "activities": {"ACT": "alive"}}}, "activities"),
        ({"answer": {"scale": {"from": 1, "to": 2}}}, "score"),
        ({"answer": {**ANSWER, "oops": "x"}}, "oops"),
        ({"typo": 1}, "typo"),
        ({"headers": {"Authorization": "Bearer s3cr3t"}}, "{secret}"),
        ({"headers": {"X-API-Key": "s3cr3t"}}, "{secret}"),
        ({"headers": {"cookie": "session=s3cr3t"}}, "{secret}"),
        ({"url": f"{agency.url}/{{name}}?api_key=s3cr3t"}, "{secret}"),
        ({"method": "POST", "body": {"login": [{"password": "s3cr3t"}], "vat": "{vat_number}"}}, "{secret}"),
    ):
        problems = check(configured(agency, **wrong))
        assert problems and word in " ".join(problems), wrong
    for right in (
        {"url": f"{agency.url}/{{name}}?token={{secret}}&sort_key=date"},
        {"headers": {"Idempotency-Key": "{idempotency_key}", "X-Api-Key": "{secret}"}},
        {"method": "POST", "body": {"password": "{secret}", "token_type": "x", "product": "full"}},
    ):
        assert check(configured(agency, **right)) == [], right


def test_secrets_of_the_installation_are_no_agencys(tmp_path, settings, monkeypatch):
    assert settings.BUREAU_SECRETS_FOLDER != "/run/secrets"  # where containers keep all of theirs
    settings.BUREAU_SECRETS_FOLDER = str(tmp_path / "all")
    key, own = tmp_path / "all" / "secret_key", tmp_path / "all" / "alfa"
    key.parent.mkdir()
    key.write_text("django's")
    own.write_text("s3cret")
    (tmp_path / "all" / "soft").symlink_to(key)
    (tmp_path / "all" / "hard").hardlink_to(key)
    (tmp_path / "elsewhere").symlink_to(key)
    monkeypatch.setenv("SECRET_KEY_FILE", str(tmp_path / "elsewhere"))
    for name in ("secret_key", "soft", "hard", "x/../secret_key", "../elsewhere"):
        file = f"{tmp_path}/all/{name}"
        assert "secret_file" in check_place("", file), name
        with pytest.raises(Refused):
            secret_of(BureauProvider(secret_file=file))
    assert secret_of(BureauProvider(secret_file=str(own))) == "s3cret"


def test_creditsafe_connect(agency):
    agency.play("creditsafe")
    adapter, settings = Creditsafe(), {"username": "u@firm.example", "base": agency.url}
    assert adapter.check(settings) == []
    terms = Terms(settings, "pw", 6)
    answer = adapter.ask(question(), terms)
    assert '"password": "pw"' in agency.asked[0]["body"]
    assert agency.asked[2]["headers"]["Authorization"] == "t0ken"
    assert (answer.outcome, answer.standing, answer.raw_score, answer.raw_scale) == (
        "rated",
        58,
        "58",
        "1-100",
    )
    assert (answer.effective_on, answer.days_beyond_terms) == (date(2026, 2, 10), 9)
    assert (answer.recommended_limit, answer.currency, answer.activity) == (Decimal(40000), "EUR", "active")
    assert adapter.ask(question("IT08888888888"), terms).outcome == "not_found"
    with pytest.raises(Refused, match="2 companies"):
        adapter.ask(question("IT09999999999"), terms)
    # Nothing that goes wrong before the report is asked for is charged.
    for broken, error in ((0, Refused), (1, Refused), (0, Unavailable), (1, Unavailable)):
        kept = agency.recorded[broken]
        agency.recorded[broken] = kept | ({"status": 400} if error is Refused else {"missing": 9})
        with pytest.raises(error) as refused:
            adapter.ask(question(), terms)
        assert not getattr(refused.value, "was_sent", False)
        agency.recorded[broken] = kept
    agency.recorded[2] = {**agency.recorded[2], "missing": 9}
    with pytest.raises(Unavailable) as lost:
        adapter.ask(question(), terms)
    assert lost.value.was_sent
    band = '{"report": {"creditScore": {"currentCreditRating": {"commonValue": "%s"}}}}'
    assert adapter.read(band % "D", settings, AS_OF).standing == 15
    assert adapter.read(band % "E", settings, AS_OF).outcome == "unrated"
    with pytest.raises(BadAnswer, match="report"):
        adapter.read("{}", settings, AS_OF)
