from django.contrib import admin
from django.urls import path

from creditdesk.desk.language import set_language
from creditdesk.desk.profile import profile

urlpatterns = [
    path("admin/", admin.site.urls),
    path("desk/profile/", profile, name="profile"),
    path("desk/language/", set_language, name="set_language"),
]
