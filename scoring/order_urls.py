from django.urls import path

from scoring import order_views

app_name = "orders"
urlpatterns = [
    path("", order_views.queue, name="queue"),
    path("<int:pk>/", order_views.decide, name="decide"),
    path("check/<int:account_id>/", order_views.check, name="check"),
]
