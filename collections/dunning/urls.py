from django.urls import path

from dunning import views

app_name = "dunning"
urlpatterns = [
    path("in-doubt/", views.in_doubt, name="in_doubt"),
    path("in-doubt/<int:pk>/", views.decide, name="decide"),
]
