from django.urls import path

from .cover import cover_page
from .customer import customer_page
from .customer_list import customer_list
from .customer_score import replayed, would_lift
from .home import changes, changes_seen, dismiss_first_steps, home
from .score_export import score_export

app_name = "desk"
urlpatterns = [
    path("", home, name="home"),
    path("cover/", cover_page, name="cover"),
    path("customers/", customer_list, name="customers"),
    path("customers/<int:pk>/", customer_page, name="customer"),
    path("accounts/<int:account_id>/would-lift/", would_lift, name="would_lift"),
    path("accounts/<int:account_id>/scores.<str:file_format>", score_export, name="score_export"),
    path("scores/<int:pk>/replay/", replayed, name="replay"),
    path("changes/", changes, name="changes"),
    path("changes/seen/", changes_seen, name="changes_seen"),
    path("first-steps/dismiss/", dismiss_first_steps, name="dismiss_first_steps"),
]
