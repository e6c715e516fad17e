from django.urls import path

from scoring import invoice_views

app_name = "invoices"
urlpatterns = [
    path("<int:pk>/estimate/", invoice_views.estimate_page, name="estimate"),
    path("learn/", invoice_views.learn, name="learn"),
]
