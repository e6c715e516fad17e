from django.urls import path

from scoring import limit_views

app_name = "limits"
urlpatterns = [
    path("", limit_views.inbox, name="inbox"),
    path("<int:pk>/", limit_views.decide, name="decide"),
    path("<int:pk>/amend/", limit_views.amend, name="amend"),
    path("propose/<int:account_id>/", limit_views.propose, name="propose"),
    path("holds/", limit_views.holds, name="holds"),
    path("holds/<int:pk>/release/", limit_views.release, name="release"),
]
