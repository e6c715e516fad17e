from django.urls import path, re_path

from creditdesk.api import pages
from creditdesk.api.endpoints import (
    agency_reports,
    annual_accounts,
    applications,
    consents,
    credit_checks,
    customers,
    decisions,
    exposures,
    legal_events,
    limit_changes,
    open_invoices,
    scoring_jobs,
)

app_name = "api"
urlpatterns = [
    path("customers", customers.CustomerList.as_view(), name="customers"),
    path("customers/<int:pk>", customers.CustomerDetail.as_view(), name="customer"),
    path("exposures", exposures.ExposureList.as_view(), name="exposures"),
    path("exposures/<int:pk>", exposures.ExposureDetail.as_view(), name="exposure"),
    path("open-invoices", open_invoices.OpenInvoiceList.as_view(), name="open_invoices"),
    path("limit-changes", limit_changes.LimitChangeList.as_view(), name="limit_changes"),
    path("limit-changes/<int:pk>", limit_changes.LimitChangeDetail.as_view(), name="limit_change"),
    path(
        "limit-changes/<int:pk>/withdraw",
        limit_changes.LimitChangeWithdrawal.as_view(),
        name="withdraw_limit_change",
    ),
    path("decisions", decisions.DecisionList.as_view(), name="decisions"),
    path("decisions/<uuid:public_id>", decisions.DecisionDetail.as_view(), name="decision"),
    path("credit-checks", credit_checks.CreditCheck.as_view(), name="credit_checks"),
    path("reservations", credit_checks.ReservationList.as_view(), name="reservations"),
    path("reservations/<uuid:public_id>", credit_checks.ReservationDetail.as_view(), name="reservation"),
    path(
        "reservations/<uuid:public_id>/release",
        credit_checks.ReservationRelease.as_view(),
        name="release_reservation",
    ),
    path("applications", applications.ApplicationList.as_view(), name="applications"),
    path("applications/<uuid:public_id>", applications.ApplicationDetail.as_view(), name="application"),
    path(
        "applications/<uuid:public_id>/documents",
        applications.ApplicationDocuments.as_view(),
        name="application_documents",
    ),
    path(
        "applications/<uuid:public_id>/assess",
        applications.ApplicationAssessment.as_view(),
        name="assess_application",
    ),
    path(
        "applications/<uuid:public_id>/withdraw",
        applications.ApplicationWithdrawal.as_view(),
        name="withdraw_application",
    ),
    path("legal-events", legal_events.LegalEventList.as_view(), name="legal_events"),
    path("consents", consents.ConsentList.as_view(), name="consents"),
    path("consents/<int:pk>/revoke", consents.ConsentRevocation.as_view(), name="revoke_consent"),
    path("annual-accounts", annual_accounts.AnnualAccountsList.as_view(), name="annual_accounts"),
    path("agency-reports", agency_reports.AgencyReportList.as_view(), name="agency_reports"),
    path("agency-pulls", agency_reports.AgencyPullList.as_view(), name="agency_pulls"),
    path("scoring-jobs", scoring_jobs.ScoringJobList.as_view(), name="scoring_jobs"),
    path("scoring-jobs/<uuid:public_id>", scoring_jobs.ScoringJobDetail.as_view(), name="scoring_job"),
    path(
        "scoring-jobs/<uuid:public_id>/rows", scoring_jobs.ScoringJobRows.as_view(), name="scoring_job_rows"
    ),
    path(
        "scoring-jobs/<uuid:public_id>/resume",
        scoring_jobs.ScoringJobResumption.as_view(),
        name="resume_scoring_job",
    ),
    path("schema", pages.SchemaDocument.as_view(), name="schema"),
    path("docs", pages.Documentation.as_view(), name="docs"),
    path("problems", pages.Problems.as_view(), name="problems"),
    re_path("^", pages.Nowhere.as_view(), name="nowhere"),
]
