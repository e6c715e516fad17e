from django.urls import path

from kpis import views

app_name = "kpis"
urlpatterns = [
    path("", views.overview, name="overview"),
    path("accounts/", views.accounts, name="accounts"),
    path("instalments/", views.instalments, name="instalments"),
    path("payments/", views.payments, name="payments"),
    path("documents/", views.documents, name="documents"),
    path("promises/", views.promises, name="promises"),
]
