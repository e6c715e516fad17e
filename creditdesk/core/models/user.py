from django.contrib.auth.models import AbstractUser
from django.db import models
from django.utils.translation import gettext_lazy as _


class User(AbstractUser):
    """A person who works here; `language` decides what they read, never what a customer receives."""

    language = models.CharField(_("language"), max_length=5, default="en")
