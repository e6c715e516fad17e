from django.urls import path

from scoring.onboarding import views

app_name = "applications"
urlpatterns = [
    path("", views.applications, name="list"),
    path("new/", views.new, name="new"),
    path("<int:pk>/", views.page, name="page"),
    path("<int:pk>/assess/", views.assess_now, name="assess"),
    path("<int:pk>/propose/", views.propose, name="propose"),
    path("<int:pk>/withdraw/", views.withdraw, name="withdraw"),
    path("<int:pk>/documents/", views.add_document, name="add_document"),
    path("<int:pk>/documents/<int:number>/", views.document, name="document"),
    path("<int:pk>/documents/<int:number>/remove/", views.drop_document, name="drop_document"),
    path("<int:pk>/documents/<int:number>/bank-lines/", views.bank_lines, name="bank_lines"),
    path("<int:pk>/letters/<uuid:decision>/", views.letter, name="letter"),
]
