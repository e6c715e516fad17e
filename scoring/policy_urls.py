from scoring.policy_views import pages

app_name = "policies"
urlpatterns = pages.urls
