"""Estimates for one invoice: will it be paid late, by how much, and when does the money come.

ledger      the facts as arrays, each with the day from which it could be known
history     what was known of every payer on any day, as running sums: no day costs more than a look-up
features    what the card looks at
delays      how delays are spread, and what is left of a spread once an invoice is seen unpaid
card        the fitted card: an additive score per target, pulled toward the portfolio, calibrated
fitting     how it is fitted, and when it refuses
"""
