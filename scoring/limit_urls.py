from django.urls import path

from scoring import hold_views, limit_views, limit_watch_views

app_name = "limits"
urlpatterns = [
    path("", limit_views.inbox, name="inbox"),
    path("<int:pk>/", limit_views.decide, name="decide"),
    path("<int:pk>/amend/", limit_views.amend, name="amend"),
    path("<int:pk>/comment/", limit_views.comment, name="comment"),
    path("propose/<int:account_id>/", limit_views.propose, name="propose"),
    path("reviews/", limit_watch_views.reviews, name="reviews"),
    path("reviews/<int:account_id>/confirm/", limit_watch_views.confirm, name="confirm"),
    path("ending/", limit_watch_views.ending, name="ending"),
    path("causes/", limit_watch_views.causes, name="causes"),
    path("holds/", hold_views.holds, name="holds"),
    path("holds/place/<int:account_id>/", hold_views.place, name="place_hold"),
    path("holds/<int:pk>/release/", hold_views.release, name="release"),
]
