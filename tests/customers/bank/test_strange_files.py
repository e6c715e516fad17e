"""Bank files as banks really send them: dialects, packings, two formats of one account, and files meant to do harm."""

from __future__ import annotations

import gzip
import tracemalloc
import zipfile
from datetime import date

import pytest

from customers.bank.camt import read_camt
from customers.bank.lines import fingerprint
from customers.bank.matching import account_number
from customers.bank.mt940 import read_mt940
from customers.bank.unpacking import unpacked
from customers.imports.problems import ImportRefused
from customers.imports.undo import undo_batch
from customers.models import BankAccount, BankTransaction
from scoring.bank_flows import bank_values
from tests.customers.bank.test_feeds import TODAY, customer, take  # noqa: F401
from tests.factories import ACTOR

pytestmark = pytest.mark.django_db
IBAN = "NL69INGB0123456789"


def entry(cents: int, day: str = "2026-11-02", extra: str = "", status: str = "<Cd>BOOK</Cd>") -> str:
    side = "CRDT" if cents > 0 else "DBIT"
    return (
        f"<Ntry><Amt Ccy='EUR'>{abs(cents) / 100:.2f}</Amt><CdtDbtInd>{side}</CdtDbtInd><Sts>{status}</Sts>"
        f"<BookgDt><Dt>{day}</Dt></BookgDt>{extra}</Ntry>"
    )


def balance(kind: str, cents: int, day: str) -> str:
    return (
        f"<Bal><Tp><CdOrPrtry><Cd>{kind}</Cd></CdOrPrtry></Tp><Amt Ccy='EUR'>{cents / 100:.2f}</Amt>"
        f"<CdtDbtInd>CRDT</CdtDbtInd><Dt><Dt>{day}</Dt></Dt></Bal>"
    )


def camt(*entries: str, balances: str = "", iban: str = IBAN, kind: str = "053", number: str = "S1") -> str:
    outer, inner = ("BkToCstmrStmt", "Stmt") if kind == "053" else ("BkToCstmrAcctRpt", "Rpt")
    return (
        f"<?xml version='1.0'?><d:Document xmlns:d='urn:iso:std:iso:20022:tech:xsd:camt.{kind}.001.08'>"
        + f"<{outer}><{inner}><Id>{number}</Id><Acct><Id><IBAN>{iban}</IBAN></Id><Ccy>EUR</Ccy></Acct>"
        f"{balances}{''.join(entries)}</{inner}></{outer}>".replace("<", "<d:").replace("<d:/", "</d:")
        + "</d:Document>"
    )


def swift(*lines: str, account: str = IBAN, opening: str = "C261101EUR100,00", closing: str = "") -> str:
    end = [f":62F:{closing}"] if closing else []
    return "\n".join([":20:X", f":25:{account}", ":28C:1/1", f":60F:{opening}", *lines, *end, "-"]) + "\n"


def stored() -> list[tuple]:
    rows = BankTransaction.objects.filter(superseded_at=None).order_by("effective_on", "pk")
    return [(r.amount.minor, r.balance and r.balance.minor) for r in rows]


def test_packed_files_and_encodings(tmp_path, customer):  # noqa: F811
    xml = camt(entry(10_00), entry(-4_00))
    with zipfile.ZipFile(tmp_path / "two.zip", "w") as archive:
        archive.writestr("__MACOSX/._a.xml", b"rubbish")
        archive.writestr("a.xml", xml)
        archive.writestr("in/b.xml", camt(entry(7_00, "2026-11-03"), entry(0, "2026-13-03"), number="S2"))
    report = take(tmp_path / "two.zip", mapping="", customer=customer)
    assert report.counts["lines"] == 3
    assert [(p.row, p.column) for p in report.problems] == [(2, "b.xml: Ntry/BookgDt")]
    # Told by content, not by name; UTF-16 with its mark, as some portals write it.
    (tmp_path / "c.xml").write_bytes(
        gzip.compress(xml.replace("?>", " encoding='UTF-16'?>").encode("utf-16"))
    )
    assert take(tmp_path / "c.xml", mapping="", customer=customer).counts["unchanged"] == 2
    text = swift(":61:2611041104CR5,00NTRFNONREF", ":86:Überweisung", opening="C261103EUR113,00")
    (tmp_path / "d.sta").write_bytes(text.encode("utf-16"))
    assert take(tmp_path / "d.sta", mapping="", customer=customer).counts["lines"] == 1


def test_files_meant_to_do_harm_are_refused(tmp_path, customer, monkeypatch):  # noqa: F811
    laughs = "<!DOCTYPE d [<!ENTITY a 'ha'>" + "".join(
        f"<!ENTITY {b} '{f'&{a};' * 10}'>" for a, b in zip("abcdefg", "bcdefgh", strict=True)
    )
    outside = "<!DOCTYPE d [<!ENTITY a SYSTEM 'file:///etc/passwd'>]><d>&a;</d>"
    for text in (laughs + "]><d>&h;</d>", outside, "<a>" * 5000, camt(entry(1_00))[:-40], "<a b='1' b='2'/>"):
        with pytest.raises(ImportRefused, match="no XML"):
            take(tmp_path / "x.xml", text, mapping="", customer=customer)
    monkeypatch.setattr("customers.bank.unpacking.MAX_BYTES", 100_000)
    (tmp_path / "bomb.gz").write_bytes(gzip.compress(b"<" + b" " * 200_000))
    with zipfile.ZipFile(tmp_path / "bomb.zip", "w", zipfile.ZIP_DEFLATED) as archive:
        for name in "ab":
            archive.writestr(f"../../{name}.xml", b" " * 60_000)
    for name in ("bomb.gz", "bomb.zip"):
        with pytest.raises(ImportRefused, match="larger than"):
            take(tmp_path / name, mapping="", customer=customer)
    whole = gzip.compress(camt(entry(1_00)).encode())
    for name, raw in (("cut.gz", whole[:-9]), ("cut.zip", (tmp_path / "bomb.zip").read_bytes()[:-60])):
        (tmp_path / name).write_bytes(raw)
        with pytest.raises(ImportRefused, match="cannot be read"):
            take(tmp_path / name, mapping="", customer=customer)
    with zipfile.ZipFile(tmp_path / "mixed.zip", "w") as archive:
        archive.writestr("a.xml", camt(entry(1_00)))
        archive.writestr("b.pdf", b"%PDF-1.4")
    with pytest.raises(ImportRefused, match=r"b\.pdf in the archive"):
        take(tmp_path / "mixed.zip", mapping="", customer=customer)
    assert not BankTransaction.objects.exists()


def test_elements_without_end_are_not_held(tmp_path, monkeypatch):
    path = tmp_path / "x.xml"
    many = "<x/>" * 30_000
    for text in (
        camt(entry(1_00)).replace("<d:Stmt>", f"<GrpHdr>{many}</GrpHdr><d:Stmt>", 1),
        camt(entry(1_00), balances=balance("FWAV", 1_00, "2026-11-02") * 3_000),
    ):
        path.write_text(text)
        tracemalloc.start()
        statements, problems, entries = read_camt(path)
        peak = tracemalloc.get_traced_memory()[1]
        tracemalloc.stop()
        assert (len(statements), problems, entries) == (1, [], 1) and peak < 1_500_000
    monkeypatch.setattr("customers.bank.camt.LARGEST", 1_000)
    path.write_text(camt(*[entry(1_00)] * 500))
    assert read_camt(path)[2] == 500
    path.write_text(camt(entry(1_00, extra="<x/>" * 1_001)))
    with pytest.raises(ImportRefused, match="more elements"):
        read_camt(path)


@pytest.mark.parametrize("method", [zipfile.ZIP_BZIP2, zipfile.ZIP_LZMA])
def test_archives_whose_first_bytes_unpack_to_all_of_it_are_refused_unread(tmp_path, method):
    for extra in ([], ["[Content_Types].xml"]):
        path = tmp_path / "x.zip"
        with zipfile.ZipFile(path, "w", method) as archive:
            for name in ["a.xml", *extra]:
                archive.writestr(name, b" " * 100_000)
        raw = bytearray(path.read_bytes())
        raw[40:50] = b"damaged..."
        path.write_bytes(raw)
        with pytest.raises(ImportRefused, match="ordinary zip"), unpacked(path):
            pass


def test_a_statement_completes_what_the_reports_of_the_day_left_out(tmp_path, customer):  # noqa: F811
    """CAMT.052 during the day has no balances; those of the CAMT.053 in the evening join the same lines."""
    entries = [
        entry(50_00, extra="<AcctSvcrRef>R1</AcctSvcrRef>"),
        entry(-20_00, extra="<AcctSvcrRef>R2</AcctSvcrRef>"),
    ]
    first = take(tmp_path / "r.xml", camt(*entries, kind="052"), mapping="", customer=customer)
    assert stored() == [(50_00, None), (-20_00, None)]
    # No opening balance: it follows from the closing one.
    whole = camt(*entries, balances=balance("CLBD", 130_00, "2026-11-02"))
    report = take(tmp_path / "s.xml", whole, mapping="", customer=customer)
    assert stored() == [(50_00, 150_00), (-20_00, 130_00)]
    assert report.counts["lines"] == 2
    assert take(tmp_path / "s.xml", whole, mapping="", customer=customer).changes_nothing
    undo_batch(report.batch, actor=ACTOR, reason="wrong account", on=TODAY)
    assert stored() == [(50_00, None), (-20_00, None)], "what was known before stands again"
    # The report is undone before what completed it: its lines do not come back.
    again = take(tmp_path / "s.xml", whole, mapping="", customer=customer)
    undo_batch(first.batch, actor=ACTOR, reason="x", on=TODAY)
    assert stored() == [(50_00, 150_00), (-20_00, 130_00)]
    undo_batch(again.batch, actor=ACTOR, reason="x", on=TODAY)
    assert stored() == []


def test_a_report_and_its_statement_in_one_archive(tmp_path, customer):  # noqa: F811
    entries = [entry(50_00, extra="<AcctSvcrRef>R1</AcctSvcrRef>"), entry(-20_00), entry(5_00)]
    statement = camt(*entries, balances=balance("CLBD", 135_00, "2026-11-02"), number="S2")
    with zipfile.ZipFile(tmp_path / "z.zip", "w") as archive:
        archive.writestr("1.xml", camt(*entries[:2], kind="052"))
        archive.writestr("2.xml", statement)
        archive.writestr("3.xml", camt(*entries, kind="052", number="S3"))
    report = take(tmp_path / "z.zip", mapping="", customer=customer)
    assert (report.counts["lines"], report.counts["unchanged"]) == (3, 5)
    assert stored() == [(50_00, 150_00), (-20_00, 130_00), (5_00, 135_00)]
    assert take(tmp_path / "z.zip", mapping="", customer=customer).changes_nothing


def test_the_same_days_from_camt_and_mt940_are_taken_once(tmp_path, customer):  # noqa: F811
    balances = balance("OPBD", 100_00, "2026-11-02") + balance("CLBD", 130_00, "2026-11-02")
    take(
        tmp_path / "a.xml",
        camt(entry(50_00), entry(-20_00), balances=balances),
        mapping="",
        customer=customer,
    )
    lines = (
        ":61:2611021102C50,00NTRFNONREF",
        ":86:other words",
        ":61:2611021102D20,00NTRFNONREF",
        ":86:for it",
    )
    again = swift(*lines, account=f"{IBAN}EUR", closing="C261102EUR130,00")
    report = take(tmp_path / "a.sta", again, mapping="", customer=customer)
    assert (report.counts["lines"], report.counts["unchanged"]) == (0, 2)
    more = swift(":61:2611031103C1,00NTRFNONREF", account=f"INGBNL2A/{IBAN}", opening="C261102EUR130,00")
    assert take(tmp_path / "b.sta", more, mapping="", customer=customer).counts["lines"] == 1
    assert BankAccount.objects.get().iban == IBAN


@pytest.mark.parametrize(
    ("about", "other", "returned"),
    [
        (
            "166?00GUTSCHRIFT?20Rechnung 7?30DEUTDEFF?31DE89370400440532013000?32Mueller",
            "DE89370400440532013000",
            0,
        ),
        ("109?00RUECKLASTSCHRIFT?20x?32Mueller", "Mueller", 1),
        ("020^00Przelew^20faktura^32Kowalski", "Kowalski", 0),
        ("073<00Przelew<20x<32Nowak", "Nowak", 0),
        (
            "/TRTP/SEPA OVERBOEKING/IBAN/NL08ABNA0571234567/BIC/ABNANL2A/NAME/De Vries/REMI/x",
            "NL08ABNA0571234567",
            0,
        ),
        ("/ORDP//NAME/Jansen BV/REMI/factuur 7/EREF/NOTPROVIDED/", "Jansen BV", 0),
        ("/RTRN/MS03/NAME/Jansen BV/REMI/x/", "Jansen BV", 1),
        ("REJET PRELEVEMENT 123", "", 1),
        ("VIR RECU FR7630006000011234567890189 DUPONT", "FR7630006000011234567890189", 0),
        ("DEVOLUCION RECIBO 4711", "", 1),
    ],
)
def test_who_and_what_for_in_the_dialects_of_field_86(tmp_path, about, other, returned):
    path = tmp_path / "x.sta"
    path.write_text(swift(":61:2611021102C50,00NTRFNONREF", f":86:{about}"))
    line = read_mt940(path)[0][0].lines[0]
    assert line.counterparty == fingerprint(other)
    assert line.is_rejected == bool(returned)


def test_the_closing_balance_says_the_currency_where_no_opening_one_does(tmp_path):
    path = tmp_path / "x.sta"
    for currency, amount, closing, minor in (
        ("JPY", "5000,", "9000,", (5000, 9000)),
        ("KWD", "1,234", "9,000", (1234, 9000)),
        ("EUR", "50,00", "90,00", (50_00, 90_00)),
    ):
        path.write_text(
            f":20:X\n:25:{IBAN}\n:61:2611021102C{amount}NTRFNONREF\n:86:ab\n:61:2611021102D0,0004NTRF\n"
            f":86:c\n:62F:C261102{currency}{closing}\n-\n"
        )
        (one,), problems, bookings = read_mt940(path)
        assert (one.currency, [line.amount for line in one.lines], one.closing) == (
            currency,
            [minor[0]],
            minor[1],
        )
        assert [(p.row, p.code) for p in problems] == [(5, "too_many_decimals")]
        assert (bookings, one.refused) == (2, 1)


def test_an_account_is_the_same_however_its_bank_writes_it():
    for text in (IBAN, "NL69 INGB 0123 4567 89", f"{IBAN}EUR", f"{IBAN} EUR", f"INGBNL2A/{IBAN}"):
        assert account_number(text, "EUR") == IBAN
    assert account_number("10020030/1234567", "EUR") == "10020030/1234567"
    assert account_number("NL69INGB0123456780EUR", "EUR") == "NL69INGB0123456780EUR", "not its check digits"


@pytest.mark.parametrize("stored_as", [f"{IBAN}EUR", f"INGBNL2A/{IBAN}"])
def test_an_account_stored_as_mt940_wrote_it_goes_on_with_camt(tmp_path, customer, stored_as):  # noqa: F811
    lines = (":61:2611021102C50,00NTRFNONREF", ":61:2611021102D20,00NTRFNONREF")
    # As earlier versions stored it.
    account = BankAccount.objects.create(
        consent=customer.bank_consents.get(), customer=customer, iban=stored_as, currency="EUR"
    )
    text = swift(*lines, account=stored_as, closing="C261102EUR130,00")
    take(tmp_path / "a.sta", text, mapping="", customer=customer)
    balances = balance("OPBD", 100_00, "2026-11-02") + balance("CLBD", 131_00, "2026-11-03")
    xml = camt(entry(50_00), entry(-20_00), entry(1_00, "2026-11-03"), balances=balances)
    report = take(tmp_path / "a.xml", xml, mapping="")
    assert (report.counts["lines"], report.counts["unchanged"], report.problems) == (1, 2, [])
    assert BankAccount.objects.get() == account
    assert take(tmp_path / "a.sta", mapping="").changes_nothing


def test_a_feed_that_ended_is_not_told_as_a_silent_customer(tmp_path, customer):  # noqa: F811
    """One file of two customers whose feeds end on days of their own."""
    from tests.factories import make_account

    account = customer.accounts.get()
    other = make_account(account.company, "Verdi").customer
    other.code = "T-B"
    other.save()
    from customers.bank.consents import record_consent

    given = {"purpose": "x", "effective_on": date(2020, 1, 1), "expires_on": date(2099, 1, 1)}
    record_consent(other, actor=ACTOR, **given)
    head = "customer,account,date,amount,balance,currency,reference,counterparty,category,text\n"
    rows = [f"T-A,IT1,2026-0{m}-{d},10.00,,EUR,,,," for m in (6, 7, 8, 9) for d in (10, 20, 30)]
    rows += [f"T-B,IT2,2026-{m}-{d},10.00,,EUR,,,," for m in ("09", "10") for d in (10, 20, 30)]
    rows += ["T-B,IT2,2026-11-05,10.00,,EUR,,,,"]
    take(tmp_path / "x.csv", head + "\n".join(rows) + "\n")
    found = bank_values(TODAY)
    assert found[account.pk]["bank_data_age"] == (TODAY - date(2026, 9, 30)).days
    assert found[account.pk]["bank_days_since_inflow"] == 0
    assert found[other.accounts.get().pk]["bank_data_age"] == (TODAY - date(2026, 11, 5)).days
