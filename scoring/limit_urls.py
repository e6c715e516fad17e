from django.urls import path

from scoring import hold_views, limit_views

app_name = "limits"
urlpatterns = [
    path("", limit_views.inbox, name="inbox"),
    path("<int:pk>/", limit_views.decide, name="decide"),
    path("<int:pk>/amend/", limit_views.amend, name="amend"),
    path("<int:pk>/comment/", limit_views.comment, name="comment"),
    path("propose/<int:account_id>/", limit_views.propose, name="propose"),
    path("holds/", hold_views.holds, name="holds"),
    path("holds/place/<int:account_id>/", hold_views.place, name="place_hold"),
    path("holds/<int:pk>/release/", hold_views.release, name="release"),
]
