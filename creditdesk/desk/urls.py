from django.urls import path
from django.views.generic import RedirectView

app_name = "desk"
urlpatterns = [path("customers/<int:pk>/", RedirectView.as_view(url="/"), name="customer")]
