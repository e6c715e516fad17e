from scoring.terms_policy_views import pages

app_name = "termspolicies"
urlpatterns = pages.urls
