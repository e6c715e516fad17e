import gc
import os
import sys
from pathlib import Path

from django.core.wsgi import get_wsgi_application

gc.disable()  # until everything is imported: creditdesk/apps.py
sys.path.insert(1, str(Path(__file__).resolve().parent.parent / "collections"))
os.environ.setdefault("DJANGO_SETTINGS_MODULE", "creditdesk.settings")
application = get_wsgi_application()
