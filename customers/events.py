"""What customers announces; higher apps listen.

Every signal is sent inside the transaction of the change, so that what a listener writes or enqueues
commits or rolls back with it (the queue lives in the same database).
"""

from django.dispatch import Signal

# account_ids: collection of CreditAccount ids whose ledger facts changed.
ledger_changed = Signal()
# event: LegalEvent.
legal_event_recorded = Signal()
# customer_ids: collection of Customer ids about whom an agency said something new.
bureau_reported = Signal()
# change: LimitChange that was applied.
limit_applied = Signal()
# account_ids: collection of CreditAccount ids with whom new business stops from now on; cause: customers.automatic.Stop
# (why, since when, on which legal basis). Accepted orders go to the hold queue.
business_stopped = Signal()
# promise: Promise whose state moved.
promise_moved = Signal()

# accounts: list of CreditAccount, as_of: date. A listener answers {account id: dict}, which is stored with a limit
# change as evidence; a question rather than an announcement, so that customers need not know who scores.
limit_evidence_wanted = Signal()

# request: customers.checks.CheckRequest. The one listener (scoring) answers a CheckResult: the rules of credit checks
# stand on scores, which customers do not know.
credit_check_wanted = Signal()
# account_ids: collection of CreditAccount ids, as_of: date. A listener answers {account id: dunning level reached by
# what is still open}.
dunning_levels_wanted = Signal()
