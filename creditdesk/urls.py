from django.contrib import admin
from django.templatetags.static import static
from django.urls import include, path
from django.views.generic import RedirectView

from creditdesk import health
from creditdesk.desk.home import root
from creditdesk.desk.language import set_language
from creditdesk.desk.mail_preferences import mail_preferences
from creditdesk.desk.profile import profile


class FaviconView(RedirectView):
    """Browsers ask for /favicon.ico whatever the page says."""

    def get_redirect_url(self, *args: object, **kwargs: object) -> str:
        return static("creditdesk/favicon.svg")


urlpatterns = [
    path("healthz", health.healthz, name="healthz"),
    path("readyz", health.readyz, name="readyz"),
    path("favicon.ico", FaviconView.as_view()),
    path("", root, name="root"),
    path("admin/", admin.site.urls),
    path("api/v1/", include("creditdesk.api.urls")),
    path("desk/", include("creditdesk.desk.urls")),
    path("desk/agencies/", include("customers.bureau.urls")),
    path("desk/kpis/", include("kpis.urls")),
    path("desk/scorecards/", include("scoring.card_urls")),
    path("desk/limits/", include("scoring.limit_urls")),
    path("desk/applications/", include("scoring.onboarding.urls")),
    path("desk/limit-policies/", include("scoring.policy_urls")),
    path("desk/check-policies/", include("scoring.check_policy_urls")),
    path("desk/terms-policies/", include("scoring.terms_policy_urls")),
    path("desk/orders/", include("scoring.order_urls")),
    path("desk/invoices/", include("scoring.invoice_urls")),
    path("desk/reviews/", include("scoring.review_urls")),
    path("desk/reminders/", include("dunning.urls")),
    path("desk/worklist/", include("worklists.urls")),
    path("desk/profile/", profile, name="profile"),
    path("desk/profile/mail/", mail_preferences, name="mail_preferences"),
    path("desk/language/", set_language, name="set_language"),
]

handler400 = "creditdesk.desk.errors.bad_request"
handler403 = "creditdesk.desk.errors.forbidden"
handler404 = "creditdesk.desk.errors.not_found"
handler500 = "creditdesk.desk.errors.failed"
