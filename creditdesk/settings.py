"""One settings module; everything that differs between installations comes from the environment.

Safe by default: without any variable it runs a local SQLite desk in demo mode (DEBUG off, hosts limited
to this machine). With CREDITDESK_ENV=production it refuses to start with the demo key.
"""

import os
from datetime import date, timedelta
from pathlib import Path

import dj_database_url
from csp.constants import NONE as CSP_NONE
from csp.constants import SELF as CSP_SELF
from django.core.exceptions import ImproperlyConfigured
from django.utils.translation import gettext_lazy as _

from creditdesk.unfold_settings import UNFOLD  # noqa: F401

# Fits multiply long thin matrices: threads of numpy's own gain nothing there and wait busily (4 times the processor
# time on two cores), and several workers run side by side. Read when numpy is first loaded, after the settings.
os.environ.setdefault("OPENBLAS_NUM_THREADS", "1")

BASE_DIR = Path(__file__).resolve().parent.parent
# Beside the packages in the repository, inside this one when installed from a wheel (pyproject.toml).
RESOURCES_DIR = BASE_DIR if (BASE_DIR / "templates" / "desk").is_dir() else Path(__file__).resolve().parent


def env_bool(name: str, default: bool) -> bool:
    return os.environ.get(name, str(default)).strip().lower() in {"1", "true", "yes", "on"}


def env_list(name: str, default: str = "") -> list[str]:
    return [part.strip() for part in os.environ.get(name, default).split(",") if part.strip()]


PRODUCTION = os.environ.get("CREDITDESK_ENV", "demo") == "production"
DEBUG = env_bool("DEBUG", False)

DEMO_SECRET_KEY = "demo-key-for-a-local-trial-only-never-for-production-0123456789"  # noqa: S105
SECRET_KEY = os.environ.get("SECRET_KEY", "")
if not SECRET_KEY:
    key_file = os.environ.get("SECRET_KEY_FILE", "")
    SECRET_KEY = Path(key_file).read_text().strip() if key_file else DEMO_SECRET_KEY
if PRODUCTION and SECRET_KEY == DEMO_SECRET_KEY:
    raise ImproperlyConfigured("Set SECRET_KEY or SECRET_KEY_FILE: production refuses the demo key.")

ALLOWED_HOSTS = env_list("ALLOWED_HOSTS", "localhost,127.0.0.1,[::1]")
CSRF_TRUSTED_ORIGINS = env_list("CSRF_TRUSTED_ORIGINS")

INSTALLED_APPS = [
    "creditdesk.core",
    "creditdesk.site.UnfoldConfig",
    "unfold.contrib.filters",
    "unfold.contrib.forms",
    "unfold.contrib.import_export",
    "django.contrib.admin",
    "django.contrib.auth",
    "django.contrib.contenttypes",
    "django.contrib.sessions",
    "django.contrib.messages",
    "django.contrib.staticfiles",
    "django.contrib.humanize",
    "django_htmx",
    "django_q",
    "axes",
    "csp",
    "import_export",
    "rest_framework",
    "drf_spectacular",
    "drf_spectacular_sidecar",
    "customers",
    "scoring",
    "worklists",
    "dunning",
    "kpis",
    "creditdesk.api",
    "creditdesk.demo",
    "creditdesk",
]

MIDDLEWARE = [
    "django.middleware.security.SecurityMiddleware",
    "whitenoise.middleware.WhiteNoiseMiddleware",
    "csp.middleware.CSPMiddleware",
    "creditdesk.core.middleware.admin_content_security_policy",
    "creditdesk.core.middleware.permissions_policy",
    "django.contrib.sessions.middleware.SessionMiddleware",
    "django.middleware.locale.LocaleMiddleware",
    "django.middleware.common.CommonMiddleware",
    "django.middleware.csrf.CsrfViewMiddleware",
    "django.contrib.auth.middleware.AuthenticationMiddleware",
    "creditdesk.core.middleware.user_language",
    "django.contrib.messages.middleware.MessageMiddleware",
    "django.middleware.clickjacking.XFrameOptionsMiddleware",
    "django_htmx.middleware.HtmxMiddleware",
    "axes.middleware.AxesMiddleware",
    "creditdesk.core.middleware.DatabaseRefusals",
]

ROOT_URLCONF = "creditdesk.urls"
WSGI_APPLICATION = "creditdesk.wsgi.application"
AUTH_USER_MODEL = "core.User"
AUTHENTICATION_BACKENDS = ["axes.backends.AxesStandaloneBackend", "creditdesk.rights.RightsBackend"]
AUTH_PASSWORD_VALIDATORS = [
    {"NAME": f"django.contrib.auth.password_validation.{name}"}
    for name in (
        "UserAttributeSimilarityValidator",
        "MinimumLengthValidator",
        "CommonPasswordValidator",
        "NumericPasswordValidator",
    )
]

TEMPLATES = [
    {
        "BACKEND": "django.template.backends.django.DjangoTemplates",
        "DIRS": [RESOURCES_DIR / "templates"],
        "APP_DIRS": True,
        "OPTIONS": {
            "context_processors": [
                "django.template.context_processors.request",
                "django.contrib.auth.context_processors.auth",
                "django.contrib.messages.context_processors.messages",
            ]
        },
    }
]

LOGIN_URL = "admin:login"
LOGIN_REDIRECT_URL = "/"

# DATABASE_URL empty: one SQLite file, tuned so that web and workers share it without "database is locked".
DATABASE_URL = os.environ.get("DATABASE_URL", "")
SQLITE_FILE = Path(os.environ.get("SQLITE_FILE", BASE_DIR / "var" / "creditdesk.sqlite3"))
if DATABASE_URL:
    DATABASES = {"default": dj_database_url.parse(DATABASE_URL)}
    if DATABASES["default"]["ENGINE"] == "django.db.backends.sqlite3":
        DATABASES["default"]["ENGINE"] = "creditdesk.core.sqlite"
    # Web processes only: forked qcluster workers would share the pool's sockets and lose tasks.
    if env_bool("DB_POOL", False):
        DATABASES["default"].setdefault("OPTIONS", {})["pool"] = {"min_size": 1, "max_size": 4, "timeout": 10}
else:
    SQLITE_FILE.parent.mkdir(parents=True, exist_ok=True)
    DATABASES = {
        "default": {
            "ENGINE": "creditdesk.core.sqlite",
            "NAME": str(SQLITE_FILE),
            "OPTIONS": {
                "transaction_mode": "IMMEDIATE",
                "timeout": 20,
                "init_command": (
                    "PRAGMA journal_mode=WAL; PRAGMA synchronous=NORMAL; PRAGMA busy_timeout=20000;"
                ),
            },
        }
    }

DEFAULT_AUTO_FIELD = "django.db.models.BigAutoField"

LANGUAGE_CODE = "en"
LANGUAGES = [("en", _("English")), ("it", _("Italian")), ("es", _("Spanish")), ("fr", _("French"))]
LOCALE_PATHS = [RESOURCES_DIR / "locale"]
TIME_ZONE = os.environ.get("TIME_ZONE", "Europe/Rome")
# Empty: today. The demo pins it, so that its story stays the same on whatever day it is opened.
BUSINESS_DATE = date.fromisoformat(pinned) if (pinned := os.environ.get("CREDITDESK_BUSINESS_DATE")) else None
USE_I18N = True
USE_TZ = True
USE_THOUSAND_SEPARATOR = True

STATIC_URL = "static/"
STATIC_ROOT = Path(os.environ.get("STATIC_ROOT", BASE_DIR / "var" / "static"))
MEDIA_ROOT = Path(os.environ.get("MEDIA_ROOT", BASE_DIR / "var" / "media"))
# Production serves hashed, compressed copies (after `manage.py collectstatic`), a trial the apps' own files.
STATIC_BACKENDS = {
    True: "whitenoise.storage.CompressedManifestStaticFilesStorage",
    False: "django.contrib.staticfiles.storage.StaticFilesStorage",
}
STORAGES = {
    "default": {"BACKEND": "django.core.files.storage.FileSystemStorage"},
    "staticfiles": {"BACKEND": STATIC_BACKENDS[PRODUCTION]},
}
WHITENOISE_USE_FINDERS = not PRODUCTION
if not PRODUCTION:
    STATIC_ROOT.mkdir(parents=True, exist_ok=True)

# --- Security ---
SESSION_COOKIE_SECURE = CSRF_COOKIE_SECURE = env_bool("SECURE_COOKIES", PRODUCTION)
SESSION_COOKIE_AGE = int(os.environ.get("SESSION_HOURS", "12")) * 3600
SECURE_SSL_REDIRECT = env_bool("SSL_REDIRECT", PRODUCTION)
SECURE_REDIRECT_EXEMPT = [r"^healthz$", r"^readyz$"]  # probes ask this machine over plain HTTP
SECURE_HSTS_SECONDS = int(os.environ.get("HSTS_SECONDS", "31536000" if PRODUCTION else "0"))
SECURE_HSTS_INCLUDE_SUBDOMAINS = SECURE_HSTS_PRELOAD = env_bool("HSTS_SUBDOMAINS", PRODUCTION)
X_FRAME_OPTIONS = "DENY"
# How many of our own proxies stand in front: they tell us the scheme and the client's address.
TRUSTED_PROXIES = int(os.environ.get("TRUSTED_PROXIES", "0"))
if TRUSTED_PROXIES:
    SECURE_PROXY_SSL_HEADER = ("HTTP_X_FORWARDED_PROTO", "https")

# Nothing is loaded from elsewhere, nothing inline runs; the admin alone is relaxed, by a middleware.
CONTENT_SECURITY_POLICY = {
    "DIRECTIVES": {
        "default-src": [CSP_SELF],
        "img-src": [CSP_SELF, "data:"],
        "script-src": [CSP_SELF],
        "style-src": [CSP_SELF],
        "object-src": [CSP_NONE],
        "base-uri": [CSP_SELF],
        "form-action": [CSP_SELF],
        "frame-ancestors": [CSP_NONE],
    }
}
PERMISSIONS_POLICY_OFF = ["camera", "display-capture", "geolocation", "microphone", "payment", "usb"]

# Ten wrong passwords for one name from one address: fifteen minutes' pause.
AXES_FAILURE_LIMIT = int(os.environ.get("LOGIN_FAILURE_LIMIT", "10"))
AXES_COOLOFF_TIME = timedelta(minutes=15)
AXES_LOCKOUT_PARAMETERS = [["username", "ip_address"]]
AXES_RESET_ON_SUCCESS = True
AXES_CLIENT_IP_CALLABLE = "creditdesk.core.client_ip.client_ip"
AXES_VERBOSE = False

# The API speaks JSON and nothing else; keys, throttle and problems are in creditdesk/api/.
REST_FRAMEWORK = {
    "DEFAULT_RENDERER_CLASSES": ["rest_framework.renderers.JSONRenderer"],
    "DEFAULT_PARSER_CLASSES": ["rest_framework.parsers.JSONParser"],
    "DEFAULT_SCHEMA_CLASS": "creditdesk.api.schema.Schema",
    "UNAUTHENTICATED_USER": None,
    "COERCE_DECIMAL_TO_STRING": True,
}
DRF_STANDARDIZED_ERRORS = {
    "EXCEPTION_FORMATTER_CLASS": "creditdesk.api.problems.ProblemFormatter",
    "NESTED_FIELD_SEPARATOR": "/",
    # A failure is a problem for the client in DEBUG too; its trace is in the log.
    "ENABLE_IN_DEBUG_FOR_UNHANDLED_EXCEPTIONS": True,
}
SPECTACULAR_SETTINGS = {
    "TITLE": "creditdesk",
    "VERSION": "1",
    "DESCRIPTION": (
        "Decisions on credit from a book that is scored all the time. Send a key as `Authorization: Bearer cdk_…`; "
        "every POST needs an `Idempotency-Key`. Refusals are RFC 9457 problem details, amounts are decimal strings."
    ),
    "OAS_VERSION": "3.1.1",
    "SCHEMA_PATH_PREFIX": r"/api/v1",
    "PREPROCESSING_HOOKS": [],
    "POSTPROCESSING_HOOKS": [
        "drf_spectacular.hooks.postprocess_schema_enums",
        "creditdesk.api.schema.add_problems",
    ],
    "ENUM_NAME_OVERRIDES": {
        "CustomerKind": "customers.models.Customer.Kind",
        "CustomerStatus": "customers.models.Customer.Status",
        "LimitKind": "customers.models.LimitKind",
        "LegalEventKind": "customers.models.LegalEvent.Kind",
        "LimitChangeStatus": "customers.models.LimitChange.Status",
        "Outcome": "scoring.models.Recommendation",
        "DecidedBy": "scoring.models.Decision.By",
        "CoverKind": "customers.models.Cover.Kind",
        "CheckPoint": "customers.models.CheckPoint",
        "ReservationStatus": "customers.models.Reservation.Status",
        "ApplicationStatus": "customers.models.CreditApplication.Status",
        "ApplicationChannel": "customers.models.CreditApplication.Channel",
        "ApplicationDocumentKind": "customers.models.ApplicationDocument.Kind",
        "ProposerKind": "customers.models.LimitChange.ProposerKind",
        "ScoringJobRowStatus": "creditdesk.api.models.ScoringJobRow.Status",
    },
    "SERVE_INCLUDE_SCHEMA": False,
    "COMPONENT_SPLIT_REQUEST": True,
    "SWAGGER_UI_DIST": "SIDECAR",
    "SWAGGER_UI_FAVICON_HREF": "SIDECAR",
    "SWAGGER_UI_SETTINGS": {"deepLinking": True, "persistAuthorization": False},
}

# With DEBUG off Django would mail errors to nobody: everything goes to the console, for the service manager.
LOGGING = {
    "version": 1,
    "disable_existing_loggers": False,
    "formatters": {"line": {"format": "%(asctime)s %(levelname)s %(name)s: %(message)s"}},
    "handlers": {"console": {"class": "logging.StreamHandler", "formatter": "line"}},
    "root": {
        "handlers": ["console"],
        "level": os.environ.get("LOG_LEVEL", "INFO" if PRODUCTION else "WARNING"),
    },
    "loggers": {
        "django": {"handlers": [], "propagate": True},
        "django-q": {"handlers": [], "propagate": True},
    },
}

# Above which amount an undisputed debt 90 days past due is a default, per currency: "EUR:500,USD:550". Empty: about
# EUR 100 (scoring/fitting/materiality.py). Currencies not named are converted from the first, at the day's rate.
DEFAULT_MATERIALITY = dict(part.split(":", 1) for part in env_list("DEFAULT_MATERIALITY", ""))

# Heavy work has a queue of its own: it never delays what somebody waits for.
ALT_CLUSTERS = {"bulk": {"timeout": 1800, "retry": 2100, "max_attempts": 3}}
# What `run_workers` adds to a cluster's environment.
CLUSTER_ENVIRONMENT = {"bulk": {"Q_WORKERS": os.environ.get("Q_BULK_WORKERS", "1")}}
Q_CLUSTER = {
    "name": "main",
    "orm": "default",
    "workers": int(os.environ.get("Q_WORKERS", "2")),
    "timeout": 300,
    "retry": 360,
    "max_attempts": 3,
    "ack_failures": False,
    "catch_up": False,
    "poll": 0.5,
    "bulk": 1,
    "queue_limit": 4,
    "save_limit": 1000,
    "ALT_CLUSTERS": ALT_CLUSTERS,
}

# /readyz answers 503 when no worker cluster was seen working for so many seconds.
HEARTBEAT_MAX_AGE = int(os.environ.get("HEARTBEAT_MAX_AGE", "180"))

# --- Mail ---
# Without a mail server a trial prints its mails to the console; production takes the one of this host.
EMAIL_HOST = os.environ.get("EMAIL_HOST", "localhost" if PRODUCTION else "")
EMAIL_BACKEND = os.environ.get(
    "EMAIL_BACKEND", f"django.core.mail.backends.{'smtp' if EMAIL_HOST else 'console'}.EmailBackend"
)
EMAIL_USE_SSL = env_bool("EMAIL_USE_SSL", False)
EMAIL_USE_TLS = env_bool("EMAIL_USE_TLS", False)
EMAIL_PORT = int(os.environ.get("EMAIL_PORT", "465" if EMAIL_USE_SSL else "587" if EMAIL_USE_TLS else "25"))
EMAIL_HOST_USER = os.environ.get("EMAIL_HOST_USER", "")
EMAIL_HOST_PASSWORD = os.environ.get("EMAIL_HOST_PASSWORD", "")
if not EMAIL_HOST_PASSWORD and (password_file := os.environ.get("EMAIL_HOST_PASSWORD_FILE", "")):
    EMAIL_HOST_PASSWORD = Path(password_file).read_text().strip()
# A server that answers nothing holds a worker no longer than this.
EMAIL_TIMEOUT = int(os.environ.get("EMAIL_TIMEOUT", "20"))
DEFAULT_FROM_EMAIL = os.environ.get("DEFAULT_FROM_EMAIL", "creditdesk@localhost")
# How credit agencies are asked (docs/bureau.md): adapters by name, more of them as NAME=dotted.name.of.the.Class.
BUREAU_ADAPTERS = {
    "json_http": "customers.bureau.adapters.json_http.JsonHttp",
    "creditsafe": "customers.bureau.adapters.creditsafe.Creditsafe",
    "recorded": "customers.bureau.adapters.recorded.Recorded",
    **dict(part.split("=", 1) for part in env_list("BUREAU_ADAPTERS") if "=" in part),
}
# Hosts of one's own network that may be asked (host or host:port): a gateway. Everybody else is on the public internet.
BUREAU_PRIVATE_HOSTS = env_list("BUREAU_PRIVATE_HOSTS")
BUREAU_SECRETS_FOLDER = os.environ.get("BUREAU_SECRETS_FOLDER", "/run/secrets/bureau")

# Where links in mails lead; no slash at the end.
SITE_URL = os.environ.get(
    "SITE_URL", f"https://{ALLOWED_HOSTS[0]}" if PRODUCTION and ALLOWED_HOSTS else "http://127.0.0.1:8000"
)

# Test mode for what would leave the house: reminders to customers are stored and shown, nothing is sent.
OUTBOUND_TEST_MODE = env_bool("OUTBOUND_TEST_MODE", True)
