from .applications import ApplicationDocument, ApplicationDocumentPart, CreditApplication
from .approvals import ApprovalDelegation, ApprovalTerms, LimitDecision, LimitReminder
from .bank import BankAccount, BankConsent, BankDataAccess, BankTransaction
from .binding import LimitBinding, OrderHorizon
from .bureau import BureauAnswer, BureauBasis, BureauProvider, BureauPull, BureauReport
from .business import BilledPart, Delivery, OpenOrder
from .claims import Dispute, DisputeItem, DunningBlock, Promise, PromiseItem, PromiseMove
from .company import Access, Company, CreditSegment, ExchangeRate, Portfolio, Source
from .cover import Cover, CoverNotice
from .customer import (
    CollectorAssignment,
    Contact,
    CreditAccount,
    Customer,
    CustomerKey,
    GroupMembership,
    PaymentTerms,
    StatusChange,
)
from .evidence import FinancialStatement, LegalEvent, SupplierPaymentDays
from .imports import ImportBatch, ImportMapping, ImportUpload, ImportUploadPart, RefusedRow
from .ledger import Allocation, DocumentKind, Instalment, Invoice, Payment, SentBy, SettledBy, WriteOff
from .legal_basis import LegalBasis
from .limits import ApprovalAuthority, CreditHold, CreditLimit, LimitChange, LimitChangeComment, LimitKind
from .orders import CheckPoint, OrderHold, Reservation

__all__ = [
    "Access",
    "Allocation",
    "ApplicationDocument",
    "ApplicationDocumentPart",
    "ApprovalAuthority",
    "ApprovalDelegation",
    "ApprovalTerms",
    "BankAccount",
    "BankConsent",
    "BankDataAccess",
    "BankTransaction",
    "BilledPart",
    "BureauAnswer",
    "BureauBasis",
    "BureauProvider",
    "BureauPull",
    "BureauReport",
    "CheckPoint",
    "CollectorAssignment",
    "Company",
    "Contact",
    "Cover",
    "CoverNotice",
    "CreditAccount",
    "CreditApplication",
    "CreditHold",
    "CreditLimit",
    "CreditSegment",
    "Customer",
    "CustomerKey",
    "Delivery",
    "Dispute",
    "DisputeItem",
    "DocumentKind",
    "DunningBlock",
    "ExchangeRate",
    "FinancialStatement",
    "GroupMembership",
    "ImportBatch",
    "ImportMapping",
    "ImportUpload",
    "ImportUploadPart",
    "Instalment",
    "Invoice",
    "LegalBasis",
    "LegalEvent",
    "LimitBinding",
    "LimitChange",
    "LimitChangeComment",
    "LimitDecision",
    "LimitKind",
    "LimitReminder",
    "OpenOrder",
    "OrderHold",
    "OrderHorizon",
    "Payment",
    "PaymentTerms",
    "Portfolio",
    "Promise",
    "PromiseItem",
    "PromiseMove",
    "RefusedRow",
    "Reservation",
    "SentBy",
    "SettledBy",
    "Source",
    "StatusChange",
    "SupplierPaymentDays",
    "WriteOff",
]
