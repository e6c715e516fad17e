"""The admin theme: names, colours, menu. Imported by settings; the menu itself is creditdesk/navigation.py."""

from __future__ import annotations

from django.templatetags.static import static
from django.urls import reverse_lazy
from django.utils.translation import gettext_lazy as _

UNFOLD = {
    "SITE_TITLE": "creditdesk",
    "SITE_HEADER": "creditdesk",
    "SITE_SUBHEADER": _("the credit desk"),
    "SITE_SYMBOL": "balance",
    "SITE_URL": None,
    "SITE_FAVICONS": [
        {"rel": "icon", "type": "image/svg+xml", "href": lambda request: static("creditdesk/favicon.svg")}
    ],
    "SHOW_HISTORY": True,
    "SHOW_VIEW_ON_SITE": False,
    "SHOW_LANGUAGES": True,
    "BORDER_RADIUS": "7px",
    "COLORS": {
        "base": {
            "50": "oklch(98.4% .003 240)",
            "100": "oklch(96.6% .005 240)",
            "200": "oklch(92.6% .008 240)",
            "300": "oklch(86.6% .012 240)",
            "400": "oklch(70.2% .02 245)",
            "500": "oklch(51.5% .024 248)",
            "600": "oklch(43.6% .026 250)",
            "700": "oklch(36.2% .028 252)",
            "800": "oklch(27.4% .028 255)",
            "900": "oklch(20.6% .026 258)",
            "950": "oklch(14.2% .024 260)",
        },
        "primary": {
            "50": "oklch(97.2% .014 220)",
            "100": "oklch(93.6% .03 220)",
            "200": "oklch(88% .056 220)",
            "300": "oklch(80.4% .086 220)",
            "400": "oklch(71.6% .104 221)",
            "500": "oklch(60.2% .104 223)",
            "600": "oklch(49.4% .092 225)",
            "700": "oklch(42.6% .08 227)",
            "800": "oklch(36.4% .066 229)",
            "900": "oklch(31% .054 231)",
            "950": "oklch(23% .042 233)",
        },
    },
    "ACCOUNT": {
        "navigation": [
            {"title": _("My profile"), "link": reverse_lazy("profile")},
            {"title": _("Mail I get"), "link": reverse_lazy("mail_preferences")},
            {"title": _("Change password"), "link": reverse_lazy("admin:password_change")},
        ]
    },
    "LANGUAGES": {"action": reverse_lazy("set_language")},
    "SIDEBAR": {"show_search": False, "navigation": "creditdesk.navigation.sidebar"},
}
