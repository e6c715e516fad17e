from django.urls import path

from scoring import card_views, comparison_views, model_card_views, override_views
from scoring.card_views import pages

app_name = "scorecards"
urlpatterns = [
    path("", card_views.card_list, name="list"),
    path("compare/", comparison_views.comparison, name="compare"),
    path("compare/measure/", comparison_views.measure, name="measure_pair"),
    path("newer/", card_views.add_newer_cards, name="newer_cards"),
    path("gate/", card_views.gate, name="gate"),
    path("<int:pk>/", card_views.card_page, name="card"),
    path("<int:pk>/copy/", pages.copy, name="copy"),
    path("<int:pk>/delete/", pages.delete, name="delete"),
    path("<int:pk>/numbers/", card_views.numbers, name="numbers"),
    path("<int:pk>/signals/<slug:name>/", card_views.signal, name="signal"),
    path("<int:pk>/model-card/", model_card_views.model_card, name="model_card"),
    path("<int:pk>/measure/", card_views.measure, name="measure"),
    path("<int:pk>/calibrate/", card_views.calibrated, name="calibrate"),
    path("<int:pk>/propose/", pages.propose, name="propose"),
    path("<int:pk>/send-back/", pages.send_back, name="send_back"),
    path("<int:pk>/publish/", pages.publish, name="publish"),
    path("<int:pk>/beside/", card_views.beside, name="beside"),
    path("<int:pk>/unplan/", card_views.unplan, name="unplan"),
    path("monitoring/", override_views.monitoring, name="monitoring"),
    path("monitoring/measure/", override_views.measure_month, name="monitor"),
    path("override/<int:account_id>/", override_views.override, name="override"),
    path("override/<int:pk>/end/", override_views.end, name="end_override"),
]
