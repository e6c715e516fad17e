"""Who a made-up company is: name, numbers that pass their check digits, contact, telephone in a fictional range."""

from __future__ import annotations

import unicodedata
from dataclasses import dataclass
from random import Random

from stdnum import luhn
from stdnum.es import cif
from stdnum.iso7064 import mod_11_10, mod_97_10

from .words import Country

# Ranges that regulators keep for fiction (Ofcom, ARCEP, BNetzA); Italy and Spain have none, so numbers that
# cannot be assigned (a subscriber number never starts with 0000 there).
_PHONES = {
    "GB": ("+44 20 7946 0", "+44 121 496 0", "+44 161 496 0", "+44 113 496 0"),
    "FR": ("+33 1 99 00 1", "+33 2 61 91 2", "+33 4 65 71 3", "+33 5 36 49 4"),
    "DE": ("+49 30 23125 ", "+49 40 66969 ", "+49 69 90009 ", "+49 89 99998 "),
    "IT": ("+39 02 0000 0", "+39 051 0000 0", "+39 049 0000 0"),
    "ES": ("+34 910 000 ", "+34 930 000 ", "+34 960 000 "),
}


@dataclass(frozen=True, slots=True)
class Identity:
    name: str
    is_sole_trader: bool
    country: str
    city: str
    language: str
    sector: str
    vat_number: str
    registration_number: str
    contact_name: str
    email: str
    phone: str


def slug(text: str) -> str:
    """Lower-case ASCII letters, digits and hyphens, as a domain label."""
    plain = unicodedata.normalize("NFKD", text.replace("ß", "ss")).encode("ascii", "ignore").decode().lower()
    parts = "".join(c if c.isalnum() else " " for c in plain).split()
    return "-".join(parts)[:50].strip("-")


def digits(rng: Random, count: int) -> str:
    return f"{rng.randrange(10**count):0{count}d}"


def vat_number(country: str, rng: Random, *, is_sole_trader: bool = False) -> str:
    """A VAT number whose check digits are right, with its country prefix. The company is fictional."""
    if country == "ES" and is_sole_trader:
        body = digits(rng, 8)
        return f"ES{body}{'TRWAGMYFPDXBNJZSQVHLCKE'[int(body) % 23]}"
    if country == "IT":
        body = f"{rng.randrange(1, 10**7):07d}{rng.randrange(1, 100):03d}"
        return f"IT{body}{luhn.calc_check_digit(body)}"
    if country == "ES":
        body = "B" + digits(rng, 2).replace("00", "12") + digits(rng, 5)
        return f"ES{body}{cif.calc_check_digits(body)[0]}"
    if country == "FR":
        body = f"{rng.randrange(30000000, 99999999):08d}"
        siren = body + luhn.calc_check_digit(body)
        return f"FR{(12 + 3 * (int(siren) % 97)) % 97:02d}{siren}"
    if country == "DE":
        body = f"{rng.randrange(10000000, 99999999):08d}"
        return f"DE{body}{mod_11_10.calc_check_digit(body)}"
    while True:
        body = f"{rng.randrange(1000000, 9999999):07d}"
        check = 97 - sum((8 - i) * int(n) for i, n in enumerate(body)) % 97
        if check < 97:
            return f"GB{body}{check:02d}"


def lei(rng: Random) -> str:
    """A legal entity identifier with right check digits, in a prefix no issuer uses (0000)."""
    body = "000000" + "".join(rng.choice("ABCDEFGHJKLMNPQRSTUVWXYZ0123456789") for _ in range(12))
    return body + mod_97_10.calc_check_digits(body)


def iban(country: str, rng: Random) -> str:
    """An IBAN with right check digits (and national ones where stdnum checks them)."""
    if country == "ES":
        bank, account = digits(rng, 8), digits(rng, 10)
        body = bank + _ccc_check("00" + bank) + _ccc_check(account) + account
    elif country == "FR":
        bank, account = digits(rng, 10), digits(rng, 11)
        key = 97 - (89 * int(bank[:5]) + 15 * int(bank[5:]) + 3 * int(account)) % 97
        body = f"{bank}{account}{key:02d}"
    elif country == "DE":
        body = digits(rng, 18)
    elif country == "GB":
        body = "DEMO" + digits(rng, 14)
    else:
        body = "X" + digits(rng, 22)
    number = "".join(str(int(c, 36)) for c in body + country + "00")
    return f"{country}{98 - int(number) % 97:02d}{body}"


def _ccc_check(number: str) -> str:
    rest = 11 - sum(int(n) * 2**i for i, n in enumerate(number)) % 11
    return str(rest if rest < 10 else 11 - rest)


def phone(country: str, rng: Random) -> str:
    return rng.choice(_PHONES[country]) + digits(rng, 3)


def company_name(country: Country, sector: str, city: str, rng: Random) -> str:
    """A company name as people in that country make them: family, trade, town, legal form."""
    trade = rng.choice(country.trades[sector])
    form = _legal_form(country, rng)
    a, b = rng.choice(country.surnames), rng.choice(country.surnames)
    draw = rng.random()
    if draw < 0.3:
        stem = f"{a} {trade}"
    elif draw < 0.45:
        stem = f"{trade} {a}"
    elif draw < 0.65:
        stem = f"{trade} {city}"
    elif draw < 0.85:
        stem = f"{rng.choice(country.family).format(a=a, b=b)} {trade}"
    else:
        stem = f"{a[:3]}{b[:2].lower()}{rng.choice(('tec', 'mar', 'vita', 'plan', 'nova', 'line'))} {trade}"
    return f"{stem} {form}"


def _legal_form(country: Country, rng: Random) -> str:
    point = rng.random() * 100
    for form, weight in country.forms:
        point -= weight
        if point < 0:
            return form
    return country.forms[0][0]


def make_identity(
    country: Country,
    rng: Random,
    *,
    name: str = "",
    is_sole_trader: bool = False,
    sector: str = "",
    city: str = "",
) -> Identity:
    """Everything about one made-up customer that is no money. What is given stays; the rest is drawn."""
    sector = sector or rng.choice(tuple(country.trades))
    city = city or rng.choice(country.cities)
    contact = f"{rng.choice(country.first_names)} {rng.choice(country.surnames)}"
    if not name:
        name = (
            f"{rng.choice(country.trades[sector])} {contact}"
            if is_sole_trader
            else company_name(country, sector, city, rng)
        )
    vat = vat_number(country.code, rng, is_sole_trader=is_sole_trader)
    mailbox = slug(contact).replace("-", ".") if rng.random() < 0.5 else country.accounting
    return Identity(
        name=name.replace("\u00a0", " "),
        is_sole_trader=is_sole_trader,
        country=country.code,
        city=city.replace("\u00a0", " "),
        language=country.language,
        sector=sector,
        vat_number=vat,
        registration_number=_registration_number(country.code, vat, rng),
        contact_name=contact,
        email=f"{mailbox}@{slug(name)}.example.com",
        phone=phone(country.code, rng),
    )


def _registration_number(country: str, vat: str, rng: Random) -> str:
    if country == "FR":
        return vat[4:]
    if country == "DE":
        return f"HRB {rng.randrange(1000, 99999)}"
    if country == "GB":
        return f"{rng.randrange(1000000, 9999999):08d}"
    return vat[2:]
