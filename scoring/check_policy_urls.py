from scoring.check_policy_views import pages

app_name = "checkpolicies"
urlpatterns = pages.urls
