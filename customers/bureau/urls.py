from django.urls import path

from customers.bureau import views

app_name = "bureau"
urlpatterns = [
    path("", views.costs, name="costs"),
    path("<int:account_id>/get/", views.get_report, name="get"),
    path("bases/<int:pk>/revoke/", views.revoke, name="revoke_basis"),
]
