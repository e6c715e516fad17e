class LedgerError(ValueError):
    """A posting the ledger refuses; the text (translated) names what is wrong and the cure.

    `code` is stable for callers that map it to a field or to an import's refusal.
    """

    def __init__(self, code: str, message: str) -> None:
        super().__init__(message)
        self.code = code
