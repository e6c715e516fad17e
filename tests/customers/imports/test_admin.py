"""Import in the admin: preview first, confirmed on POST, only for those allowed; undo is POST and reasoned."""

import secrets
import tempfile
from datetime import timedelta

import pytest
from django.contrib.auth.models import Permission
from django.core.files.uploadedfile import SimpleUploadedFile
from django.urls import reverse
from django.utils import timezone

from creditdesk.core.models import User
from customers.imports import uploads
from customers.models import (
    Access,
    Company,
    ImportBatch,
    ImportMapping,
    ImportUpload,
    ImportUploadPart,
    Invoice,
)

from .conftest import SETTLED
from .test_settled import GOOD, HEADER, row

pytestmark = pytest.mark.django_db

ADD = "admin:customers_importbatch_add"


def upload(rows):
    lines = [",".join(HEADER), *(",".join(r) for r in rows)]
    return SimpleUploadedFile("ledger.csv", "\n".join(lines).encode(), content_type="text/csv")


@pytest.fixture
def company():
    return Company.objects.create(code="main", name="Our company", currency="EUR")


@pytest.fixture
def carla(company):
    user = User.objects.create_user("carla", password="demo", is_staff=True)
    names = ["add_importbatch", "change_importbatch", "view_importbatch"]
    user.user_permissions.set(Permission.objects.filter(codename__in=names))
    Access.objects.create(user=user, company=company)
    return user


@pytest.fixture
def controller(client, carla):
    client.force_login(carla)
    return client


@pytest.fixture(autouse=True)
def settled_mapping():
    return ImportMapping.objects.create(slug="erp", layout="settled", spec=SETTLED)


def preview(client, rows):
    return client.post(reverse(ADD), {"file": upload(rows), "mapping": "erp"})


def test_preview_then_confirm_then_undo(controller, carla):
    assert controller.get(reverse(ADD)).status_code == 200
    page = preview(controller, [GOOD, row(GOOD, number="F2", amount="x")])
    assert page.status_code == 200 and not Invoice.objects.exists()
    assert "bad_number" in [one["p"].code for one in page.context["problems"]]
    assert "This is not an amount" in page.content.decode()
    done = controller.post(reverse(ADD), {"confirm": page.context["terms"]}, follow=True)
    assert done.status_code == 200
    batch = ImportBatch.objects.get()
    assert batch.imported_by == carla and Invoice.objects.count() == 1
    report = controller.get(reverse("admin:customers_importbatch_report", args=[batch.pk]))
    assert "bad_number" in report.getvalue().decode()
    refused = controller.get(reverse("admin:customers_importbatch_refused", args=[batch.pk]))
    assert refused.getvalue().decode().splitlines()[0] == ",".join(HEADER)
    assert controller.get(reverse("admin:customers_importbatch_changelist")).status_code == 200
    undo = reverse("admin:customers_importbatch_undo", args=[batch.pk])
    assert controller.get(undo).status_code == 200
    controller.post(undo, {"reason": ""})
    assert ImportBatch.objects.get().status == "committed"
    controller.post(undo, {"reason": "wrong file"})
    assert ImportBatch.objects.get().status == "undone"


def test_a_preview_cannot_be_confirmed_by_somebody_else_or_forged(controller, client, company):
    terms = preview(controller, [GOOD]).context["terms"]
    controller.post(reverse(ADD), {"confirm": terms + "x"})
    other = User.objects.create_superuser("root", password="demo")
    client.force_login(other)
    assert client.post(reverse(ADD), {"confirm": terms}).status_code == 403
    assert not Invoice.objects.exists()


def test_without_the_permission_or_the_company_nothing_is_imported(client, company):
    user = User.objects.create_user("marta", password="demo", is_staff=True)
    client.force_login(user)
    assert client.get(reverse(ADD)).status_code == 403
    user.user_permissions.add(Permission.objects.get(codename="add_importbatch"))
    page = preview(client, [GOOD])
    assert "may not import" in page.content.decode()


def test_a_stranger_s_import_does_not_exist(controller, company):
    terms = preview(controller, [GOOD]).context["terms"]
    controller.post(reverse(ADD), {"confirm": terms})
    Access.objects.all().delete()
    pk = ImportBatch.objects.get().pk
    for name in ("undo", "report", "refused", "change"):
        assert controller.get(reverse(f"admin:customers_importbatch_{name}", args=[pk])).status_code == 404


def test_the_file_waits_in_the_database_not_on_this_host(controller, company, tmp_path, monkeypatch):
    """Another host, another temporary folder: the confirmation finds the file all the same, once."""
    terms = preview(controller, [GOOD]).context["terms"]
    assert ImportUpload.objects.get().parts.count() == 1
    monkeypatch.setattr(tempfile, "tempdir", str(tmp_path))
    controller.post(reverse(ADD), {"confirm": terms})
    assert Invoice.objects.count() == 1
    assert not ImportUpload.objects.exists()
    assert list(tmp_path.iterdir()) == [], "nothing is left behind"
    again = controller.post(reverse(ADD), {"confirm": terms}, follow=True)
    assert "Upload the file again" in again.content.decode()


def test_a_large_file_is_kept_in_pieces_and_read_back_whole_by_its_owner_only(controller, carla):
    content = secrets.token_bytes(2_500_000)
    blocks = [content[n : n + 65536] for n in range(0, len(content), 65536)]
    token = uploads.keep("ledger.XLSX", blocks, user=carla)
    assert ImportUploadPart.objects.count() == 3
    with uploads.opened(token, user=carla) as path:
        assert path.suffix == ".xlsx"
        assert path.read_bytes() == content
        assert path.parent.stat().st_mode & 0o077 == 0
    assert not path.exists()
    other = User.objects.create_user("other")
    with pytest.raises(uploads.UploadGone), uploads.opened(token, user=other):
        pass


def test_what_nobody_confirms_in_a_day_is_swept(controller, company, carla):
    terms = preview(controller, [GOOD]).context["terms"]
    ImportUpload.objects.update(uploaded_at=timezone.now() - timedelta(hours=25))
    page = controller.post(reverse(ADD), {"confirm": terms}, follow=True)
    assert "Upload the file again" in page.content.decode()
    assert not Invoice.objects.exists()
    assert uploads.sweep() == 1
    assert not ImportUploadPart.objects.exists()
