from django.urls import path

from scoring import (
    binding_views,
    bulk_views,
    delegation_views,
    hold_views,
    limit_views,
    limit_watch_views,
    oversight_views,
)

app_name = "limits"
urlpatterns = [
    path("", limit_views.inbox, name="inbox"),
    path("bulk/", bulk_views.bulk_approve, name="bulk"),
    path("deputies/", delegation_views.delegations, name="delegations"),
    path("deputies/<int:pk>/end/", delegation_views.end, name="end_delegation"),
    path("trail/", oversight_views.trail, name="trail"),
    path("duties/", oversight_views.duties_report, name="duties"),
    path("<int:pk>/", limit_views.decide, name="decide"),
    path("<int:pk>/amend/", limit_views.amend, name="amend"),
    path("<int:pk>/comment/", limit_views.comment, name="comment"),
    path("propose/<int:account_id>/", limit_views.propose, name="propose"),
    path("reviews/", limit_watch_views.reviews, name="reviews"),
    path("reviews/<int:account_id>/confirm/", limit_watch_views.confirm, name="confirm"),
    path("ending/", limit_watch_views.ending, name="ending"),
    path("binding/", binding_views.bindings, name="bindings"),
    path("binding/<int:customer_id>/", binding_views.of_customer, name="binding"),
    path("binding/company/<int:company_id>/", binding_views.of_company, name="binding_company"),
    path("causes/", limit_watch_views.causes, name="causes"),
    path("holds/", hold_views.holds, name="holds"),
    path("holds/place/<int:account_id>/", hold_views.place, name="place_hold"),
    path("holds/<int:pk>/release/", hold_views.release, name="release"),
]
