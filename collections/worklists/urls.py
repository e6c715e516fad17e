from django.urls import path

from worklists import views

app_name = "worklists"
urlpatterns = [
    path("", views.today, name="today"),
    path("undo/", views.undo, name="undo"),
    path("<int:pk>/", views.customer, name="customer"),
    path("<int:pk>/why-not/", views.why_not, name="why_not"),
    path("<int:pk>/skip/", views.skip, name="skip"),
    path("<int:pk>/<slug:verb>/", views.act, name="act"),
]
