from django.urls import path

from scoring import policy_views

app_name = "policies"
urlpatterns = [
    path("", policy_views.policy_list, name="list"),
    path("<int:pk>/", policy_views.policy_page, name="policy"),
    path("<int:pk>/edit/", policy_views.edit, name="edit"),
    path("<int:pk>/copy/", policy_views.copy, name="copy"),
    path("<int:pk>/delete/", policy_views.delete, name="delete"),
    path("<int:pk>/simulate/", policy_views.simulate, name="simulate"),
    path("<int:pk>/propose/", policy_views.propose, name="propose"),
    path("<int:pk>/send-back/", policy_views.send_back, name="send_back"),
    path("<int:pk>/publish/", policy_views.publish, name="publish"),
]
