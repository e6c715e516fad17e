"""What is known about customers besides their ledger, added to a big book by SQL alone (PostgreSQL).

A realistic share of the customers: 60 % with annual accounts of three years, 10 % with bank lines of a year (200
each) under consent, 10 % with days to pay suppliers, 5 % with legal events, 8 % in groups, 20 % with reports of one or
two credit agencies (two a year for two years), all with a sector.
"""

from __future__ import annotations

from django.db import connection, transaction

from benchmarks.book import SPAN, Book, _hash, _numbers

LINES = 200


def add_evidence(book: Book) -> None:
    """Fill the evidence tables of a book just built and refresh the planner's statistics."""
    with transaction.atomic(), connection.cursor() as cursor:
        cursor.execute("SET LOCAL session_replication_role = replica")
        for statement in [
            *_customers(book),
            *_accounts(book),
            *_legal(book),
            *_bank(book),
            *_suppliers(book),
            *_agencies(book),
        ]:
            cursor.execute(statement)
    with connection.cursor() as cursor:
        cursor.execute("VACUUM ANALYZE")


def _fact(book: Book, offset: str) -> str:
    return f"{book.day(offset)}, {book.day(offset)}, CURRENT_TIMESTAMP"


def _customers(book: Book) -> list[str]:
    return [
        f"UPDATE customers_customer SET sector = (10 + id % 40)::text, founded_on = {book.day(f'-(id % {SPAN * 9})::integer')}, "
        "parent_id = CASE WHEN id % 25 IN (1, 2) THEN id - id % 25 + 25 END "
        f"WHERE id + 25 <= {book.accounts}",
        "INSERT INTO customers_groupmembership (effective_on, known_on, recorded_at, customer_id, parent_id) "
        f"SELECT {_fact(book, '5')}, id, parent_id FROM customers_customer WHERE parent_id IS NOT NULL",
    ]


def _accounts(book: Book) -> list[str]:
    def share(low: int, high: int, salt: int) -> str:
        return f"a * ({low} + {_hash('n', f'k + {salt}')} % {high - low}) / 100"

    return [
        "INSERT INTO customers_financialstatement (effective_on, known_on, recorded_at, customer_id, currency, "
        "months, total_assets, current_assets, current_liabilities, total_liabilities, equity, retained_earnings, "
        f"revenue, ebit, net_income, source) SELECT {_fact(book, 'k * 365 - 300')}, n, 'EUR', 12, a, "
        f"{share(20, 80, 1)}, {share(10, 70, 2)}, {share(30, 110, 3)}, {share(-10, 60, 4)}, {share(-20, 40, 5)}, "
        f"{share(40, 300, 6)}, {share(-10, 30, 7)}, {share(-10, 20, 8)}, 'register' "
        f"FROM (SELECT n, k, 1000000 + {_hash('n', 'k')} % 900000000 AS a FROM {_numbers(book.accounts)} AS t "
        "CROSS JOIN generate_series(0::bigint, 2) AS k WHERE n % 10 < 6) s"
    ]


def _legal(book: Book) -> list[str]:
    kinds = "(ARRAY['protest', 'litigation', 'director_change', 'address_change', 'lien'])[1 + n % 5]"
    return [
        "INSERT INTO customers_legalevent (effective_on, known_on, recorded_at, customer_id, kind, source, link) "
        f"SELECT {_fact(book, '(n % 700)::integer + 10')}, n, {kinds}, 'benchmark', '' "
        f"FROM {_numbers(book.accounts)} AS t WHERE n % 20 = 7"
    ]


def _bank(book: Book) -> list[str]:
    return [
        "INSERT INTO customers_bankconsent (id, effective_on, known_on, recorded_at, customer_id, purpose, scope, "
        f"reference, expires_on) SELECT n, {_fact(book, '300')}, n, 'credit', 'transactions,balances', '', "
        f"{book.day(str(SPAN + 900))} FROM {_numbers(book.accounts)} AS t WHERE n % 10 = 3",
        "INSERT INTO customers_bankaccount (id, consent_id, customer_id, iban, currency, recorded_at) "
        "SELECT id, id, id, 'IT' || id, 'EUR', recorded_at FROM customers_bankconsent",
        "INSERT INTO customers_banktransaction (effective_on, known_on, recorded_at, bank_account_id, key, amount, "
        "balance, category, is_rejected, counterparty, statement) "
        f"SELECT {_fact(book, f'{SPAN} - 365 + (k * 365 / {LINES})::integer')}, b.id, k, amount, "
        "2000000 + SUM(amount) OVER (PARTITION BY b.id ORDER BY k), "
        "(ARRAY['sales', 'suppliers', 'cash', 'tax'])[1 + k % 4], k % 97 = 0, 'c' || (k % 9), '' "
        f"FROM (SELECT b.id, k, (CASE WHEN {_hash('b.id', 'k')} % 2 = 0 THEN 1 ELSE -1 END) "
        f"* (1000 + {_hash('k', 'b.id')} % 90000) AS amount FROM customers_bankaccount b "
        f"CROSS JOIN generate_series(1::bigint, {LINES}) AS k) b ORDER BY k, b.id",
    ]


def _suppliers(book: Book) -> list[str]:
    return [
        "INSERT INTO customers_supplierpaymentdays (effective_on, known_on, recorded_at, customer_id, days, source) "
        f"SELECT {_fact(book, f'{SPAN} - 20 - (k * 91)::integer')}, n, 30 + {_hash('n', 'k')} % 50, 'bureau' "
        f"FROM {_numbers(book.accounts)} AS t CROSS JOIN generate_series(0::bigint, 3) AS k WHERE n % 10 = 4"
    ]


def _agencies(book: Book) -> list[str]:
    """Two reports a year of an agency for two years; every second customer is rated by another one, too."""
    return [
        "INSERT INTO customers_bureaureport (effective_on, known_on, recorded_at, customer_id, provider, product, "
        "reference, outcome, standing, raw_score, raw_scale, pd_basis_points, days_beyond_terms, currency, activity) "
        f"SELECT {_fact(book, f'{SPAN} - 20 - (k * 180)::integer')}, n, p, '', '', 'rated', {_hash('n', 'k')} % 101, "
        f"'', '', CASE WHEN k = 0 THEN {_hash('k', 'n')} % 2000 END, {_hash('n', 'k + 7')} % 40, '', 'active' "
        f"FROM {_numbers(book.accounts)} AS t CROSS JOIN generate_series(0::bigint, 3) AS k "
        "CROSS JOIN (VALUES ('alpha', 1), ('beta', 2)) AS a(p, every) "
        "WHERE n % 5 = 2 AND (every = 1 OR n % 10 = 2)"
    ]
