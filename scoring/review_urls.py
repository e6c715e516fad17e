from django.urls import path

from scoring import review_views

app_name = "reviews"
urlpatterns = [
    path("", review_views.queue, name="queue"),
    path("<int:account_id>/", review_views.review, name="review"),
    path("<int:account_id>/words/", review_views.words, name="words"),
    path("<int:account_id>/contest/", review_views.contested, name="contest"),
]
