from __future__ import annotations

from typing import Any

from django.db.models import Q, QuerySet
from django.shortcuts import get_object_or_404
from django.urls import reverse
from django.utils import timezone
from django.utils.translation import gettext_lazy as _
from drf_spectacular.utils import OpenApiExample, extend_schema, extend_schema_view
from rest_framework import serializers
from rest_framework.request import Request
from rest_framework.response import Response

from creditdesk.api import bulk
from creditdesk.api.fields import Contradiction, Flag, Nothing, PageQuery, StrictSerializer, Text
from creditdesk.api.models import ScoringJob, ScoringJobRow
from creditdesk.api.schema import list_of
from creditdesk.api.views import ActsOnce, Endpoint
from scoring.models import Scorecard

MOST = 10_000


class ScoringJobIn(StrictSerializer):
    """Either `customers` or `all`."""

    customers = serializers.ListField(
        child=Text(max_length=40),
        required=False,
        min_length=1,
        max_length=MOST,
        help_text="Customer numbers; every account of theirs is scored.",
    )
    all = Flag(default=False, help_text="Every account the key may see.")

    def validate(self, attrs: dict[str, Any]) -> dict[str, Any]:
        if attrs["all"] == ("customers" in attrs):
            raise Contradiction("customers", _("Send either a list of customers, or all: true."))
        return attrs


class RowsOut(serializers.Serializer):
    waiting = serializers.IntegerField()
    done = serializers.IntegerField()
    failed = serializers.IntegerField()


class ScoringJobOut(serializers.Serializer):
    id = serializers.UUIDField()
    state = serializers.ChoiceField(
        [("waiting", ""), ("running", ""), ("done", ""), ("stopped", "")],
        help_text="stopped: part of it failed three times; resume it.",
    )
    as_of = serializers.DateField()
    created_at = serializers.DateTimeField()
    total = serializers.IntegerField(help_text="How many rows.")
    rows = RowsOut(help_text="How many rows are in which status.")


class ScoreOut(serializers.Serializer):
    score = serializers.IntegerField(min_value=0, max_value=100, help_text="100 is safest.")
    grade = serializers.CharField()
    pd = serializers.CharField(help_text="Probability of default within 12 months.")
    pd_is = serializers.ChoiceField(
        Scorecard.Calibration.choices,
        required=False,
        help_text="What it stands on: uncalibrated (expert odds), level (level fitted to outcomes) or fitted.",
    )
    recommendation = serializers.CharField()
    depth = serializers.CharField(help_text="How much payment history it stands on: none, thin or full.")
    as_of = serializers.DateField()


class ScoringJobRowOut(serializers.ModelSerializer):
    account = serializers.IntegerField(source="account_id", allow_null=True)
    customer = serializers.CharField(source="reference", help_text="Customer number, as it was sent.")
    error = serializers.CharField(source="error_code", help_text="Why there is no score; empty otherwise.")
    score = ScoreOut(source="result", allow_null=True)

    class Meta:
        model = ScoringJobRow
        fields = ["position", "customer", "account", "status", "error", "score"]


class RowQuery(PageQuery):
    status = serializers.ChoiceField(ScoringJobRow.Status.choices, required=False)


class ScoringJobsEndpoint(Endpoint):
    scopes = {"GET": "scoring-jobs:run", "POST": "scoring-jobs:run"}
    ordering = "-pk"

    def jobs(self) -> QuerySet[ScoringJob]:
        """The client's own jobs; a key bound to a company sees those asked for by such keys."""
        company = self.request.auth.company_id  # type: ignore[union-attr]
        mine = Q(user=self.request.user) & (Q(company=company) if company else Q())
        return ScoringJob.objects.filter(mine)

    def represent(self, jobs: list[ScoringJob]) -> Any:
        found = bulk.progress(jobs)
        answers = []
        for job in jobs:
            now = found[job.pk]
            answers.append(
                {
                    "id": job.public_id,
                    "state": now.state,
                    "as_of": job.as_of,
                    "created_at": job.created_at,
                    "total": job.total,
                    "rows": {"waiting": now.waiting, "done": now.done, "failed": now.failed},
                }
            )
        return ScoringJobOut(answers, many=True).data

    def accepted(self, job: ScoringJob) -> Response:
        where = reverse("api:scoring_job", args=[job.public_id])
        return Response(self.represent([job])[0], status=202, headers={"Location": where})


@extend_schema_view(
    post=extend_schema(
        operation_id="scoring_jobs_start",
        summary="Score many accounts in the background",
        description="Answers at once; ask for the job to see how far it is, and for its rows to see what came out.",
        request=ScoringJobIn,
        responses={202: ScoringJobOut},
        tags=["scoring jobs"],
        examples=[
            OpenApiExample("some", request_only=True, value={"customers": ["C-1001", "C-1002", "C-unknown"]}),
            OpenApiExample("the whole book", request_only=True, value={"all": True}),
        ],
    )
)
class ScoringJobList(ActsOnce, ScoringJobsEndpoint):
    @extend_schema(
        operation_id="scoring_jobs_list",
        summary="The client's scoring jobs, newest first",
        parameters=[PageQuery],
        responses=list_of(ScoringJobOut),
        tags=["scoring jobs"],
    )
    def get(self, request: Request) -> Response:
        self.query(PageQuery)
        return self.page(self.jobs(), self.represent)

    def act(self, request: Request) -> Response:
        data = self.body(ScoringJobIn)
        key: Any = request.auth
        job = bulk.start(
            request.user,  # type: ignore[arg-type]
            self.accounts(),
            data.get("customers"),
            as_of=self.today(),
            now=timezone.now(),
            actor=self.actor,
            company=key.company,
        )
        return self.accepted(job)


class ScoringJobDetail(ScoringJobsEndpoint):
    @extend_schema(
        operation_id="scoring_jobs_get",
        summary="How far a scoring job is",
        responses=ScoringJobOut,
        tags=["scoring jobs"],
    )
    def get(self, request: Request, public_id: Any) -> Response:
        return Response(self.represent([get_object_or_404(self.jobs(), public_id=public_id)])[0])


class ScoringJobRows(ScoringJobsEndpoint):
    ordering = "position"

    @extend_schema(
        operation_id="scoring_jobs_rows",
        summary="What came out of a scoring job, row by row",
        parameters=[RowQuery],
        responses=list_of(ScoringJobRowOut),
        tags=["scoring jobs"],
    )
    def get(self, request: Request, public_id: Any) -> Response:
        query = self.query(RowQuery)
        # What the key sees now: it may have lost a portfolio since the job was asked for.
        seen = Q(account__isnull=True) | Q(account__in=self.accounts().values("pk"))
        rows = get_object_or_404(self.jobs(), public_id=public_id).rows.filter(seen)
        if "status" in query:
            rows = rows.filter(status=query["status"])
        return self.page(rows, lambda found: ScoringJobRowOut(found, many=True).data)


@extend_schema_view(
    post=extend_schema(
        operation_id="scoring_jobs_resume",
        summary="Take up again what is not done of a scoring job",
        description="Rows that are done are left alone.",
        request={"application/json": {"type": "object", "additionalProperties": False}},
        responses={202: ScoringJobOut},
        tags=["scoring jobs"],
        examples=[OpenApiExample("resumed", request_only=True, value={})],
    )
)
class ScoringJobResumption(ActsOnce, ScoringJobsEndpoint):
    scopes = {"POST": "scoring-jobs:run"}

    def act(self, request: Request, public_id: Any) -> Response:
        self.body(Nothing)
        job = get_object_or_404(self.jobs(), public_id=public_id)
        bulk.resume(job)
        return self.accepted(job)
