"""What every endpoint has in common: who asks is known, counted, allowed and logged; what they see is scoped."""

from __future__ import annotations

import logging
import time
from collections.abc import Callable, Mapping
from datetime import date
from functools import cached_property
from typing import Any, ClassVar

from django.db import DatabaseError
from django.db.models import Q, QuerySet
from django.http import HttpResponse
from django.utils.translation import gettext as _
from drf_standardized_errors.formatter import flatten_errors
from rest_framework import serializers
from rest_framework.exceptions import ErrorDetail, ValidationError
from rest_framework.request import Request
from rest_framework.response import Response
from rest_framework.views import APIView

from creditdesk.api.authentication import HasScope, KeyAuthentication
from creditdesk.api.fields import CONTRADICTION
from creditdesk.api.idempotency import REPLAYED, answer_once
from creditdesk.api.models import ApiKey, ApiRequest
from creditdesk.api.paging import CursorPages
from creditdesk.api.problems import Problem, ProblemHandler, QueryError, Unprocessable
from creditdesk.api.throttling import KeyThrottle
from creditdesk.core.audit import Actor
from creditdesk.core.client_ip import client_ip
from creditdesk.core.clock import business_date
from customers.access import account_scope
from customers.models import CreditAccount, Customer

logger = logging.getLogger(__name__)


def _unknown(number: str) -> Problem:
    text = _("There is no customer %(number)s with a credit account among what this key may see.")
    return Problem(422, "customer_unknown", text % {"number": number})


class Endpoint(APIView):
    """scopes: method -> the scope a key needs. ordering: the unique column a list is paged by."""

    authentication_classes = [KeyAuthentication]
    permission_classes = [HasScope]
    throttle_classes = [KeyThrottle]
    scopes: ClassVar[Mapping[str, str]] = {}
    ordering: ClassVar[str] = "pk"

    def dispatch(self, request: Any, *args: Any, **kwargs: Any) -> Any:
        self.started = time.perf_counter()
        return super().dispatch(request, *args, **kwargs)

    def initial(self, request: Request, *args: Any, **kwargs: Any) -> None:
        """As DRF's, but counted before it is allowed: what is refused costs us something as well."""
        self.format_kwarg = None
        request.accepted_renderer, request.accepted_media_type = self.perform_content_negotiation(request)
        self.perform_authentication(request)
        self.check_throttles(request)
        self.check_permissions(request)

    def get_exception_handler(self) -> Callable[..., Response | None]:
        return lambda error, context: ProblemHandler(error, context).run()  # type: ignore[arg-type]

    def finalize_response(self, request: Request, response: Any, *args: Any, **kwargs: Any) -> Any:
        response = super().finalize_response(request, response, *args, **kwargs)
        response.headers.setdefault("Cache-Control", "no-store")
        self._log(request, response)
        return response

    def _log(self, request: Request, response: HttpResponse) -> None:
        key = getattr(request, "_auth", None)  # not `auth`: that would authenticate a refused request again
        if not isinstance(key, ApiKey):
            return
        try:
            ApiRequest.objects.create(
                key=key,
                method=(request.method or "")[:7],
                path=request.path[:200],
                status=response.status_code,
                milliseconds=round((time.perf_counter() - self.started) * 1000),
                address=client_ip(request._request) or None,
                is_replay=response.headers.get(REPLAYED) == "true",
            )
        except DatabaseError:
            # What was asked has been done and committed: the client gets its answer all the same.
            logger.exception("A request of key %s was not logged", key.prefix)

    # --- what the key may see ---

    @cached_property
    def _scope(self) -> Q:
        """Condition on credit accounts: of the user, narrowed to the key's company. One query a request."""
        return self.scope("")

    def scope(self, prefix: str) -> Q:
        """The same on rows that have an account, with its prefix ("account__")."""
        key: ApiKey = self.request.auth  # type: ignore[assignment]
        scope = account_scope(self.request.user, prefix)
        return scope & Q(**{f"{prefix}company_id": key.company_id}) if key.company_id else scope

    def accounts(self) -> QuerySet[CreditAccount]:
        """The credit accounts the key may see; those joined into another by a merge exist no longer."""
        return CreditAccount.objects.filter(self._scope, joined_into__isnull=True)

    def account_of(self, data: Mapping[str, Any]) -> CreditAccount:
        """The account that {customer, company, segment} of a request names, with what rules need of it.

        Raises Problem customer_unknown, also for customers the key may not see, and account_ambiguous.
        """
        wanted = {"customer__code": data["customer"]}
        if data.get("company"):
            wanted["company__code"] = data["company"]
        if data.get("segment"):
            wanted["segment__code"] = data["segment"]
        rows = (
            self.accounts().filter(**wanted).select_related("customer", "company", "segment").order_by("pk")
        )
        found = list(rows[:2])
        if not found:
            raise _unknown(data["customer"])
        if len(found) > 1:
            raise Problem(
                422,
                "account_ambiguous",
                _("Customer %(number)s has several credit accounts: name company and segment.")
                % {"number": data["customer"]},
            )
        return found[0]

    def customer_named(self, number: str) -> Customer:
        """A customer by its number. Raises Problem customer_unknown, also for customers the key may not see."""
        account = self.accounts().filter(customer__code=number).select_related("customer").first()
        if account is None:
            raise _unknown(number)
        return account.customer

    def customer_of(self, data: Mapping[str, Any]) -> tuple[Customer, date]:
        """The customer that {customer, company} of a request names, and today in the company: in any of those that
        sell to it, where none is named and it is the same date in all of them.

        Raises Problem customer_unknown, also for customers and companies the key may not see, and company_ambiguous.
        """
        rows = self.accounts().filter(customer__code=data["customer"])
        if data.get("company"):
            rows = rows.filter(company__code=data["company"])
        found = list(rows.select_related("customer", "company").order_by("pk"))
        if not found:
            raise _unknown(data["customer"])
        days = {self.today(account) for account in found}
        if len(days) > 1:
            raise Problem(
                422,
                "company_ambiguous",
                _(
                    "Companies that sell to customer %(number)s have different dates now: name one of %(companies)s."
                )
                % {
                    "number": data["customer"],
                    "companies": ", ".join(sorted({account.company.code for account in found})),
                },
            )
        return found[0].customer, days.pop()

    # --- what is asked ---

    @property
    def actor(self) -> Actor:
        return Actor.api(f"API: {self.request.auth.name}", self.request.user)  # type: ignore[union-attr, arg-type]

    def today(self, account: CreditAccount | None = None) -> date:
        """The business date, in the account's company's time zone."""
        return business_date(account.company.time_zone if account else None)

    def query(self, serializer_class: type[serializers.Serializer]) -> dict[str, Any]:
        """The parameters of the address, validated. Raises QueryError naming each that is wrong."""
        given = self.request.query_params
        twice = [name for name in given if len(given.getlist(name)) > 1]
        if twice:
            raise QueryError({name: [ErrorDetail(_("Given twice."), "repeated")] for name in twice})
        serializer = serializer_class(data=given.dict(), context={"view": self})
        try:
            serializer.is_valid(raise_exception=True)
        except ValidationError as error:
            raise QueryError(error.detail) from error
        return serializer.validated_data

    def body(self, serializer_class: type[serializers.Serializer]) -> dict[str, Any]:
        """The body, validated. Raises ValidationError naming each field that is wrong, or Unprocessable."""
        serializer = serializer_class(data=self.request.data, context={"view": self})
        if not serializer.is_valid():
            kinds = {error.code for error in flatten_errors(serializer.errors)}
            raise (Unprocessable if kinds == {CONTRADICTION} else ValidationError)(serializer.errors)
        return serializer.validated_data

    def page(self, rows: QuerySet, represent: Callable[[list[Any]], Any]) -> Response:
        """One page of rows, ordered by `ordering`; `represent` turns the page's rows into their answers at once."""
        pages = CursorPages()
        found = pages.paginate_queryset(rows, self.request, view=self)
        return Response(
            {
                "next": pages.get_next_link(),
                "previous": pages.get_previous_link(),
                "results": represent(list(found or [])),
            }
        )


class ActsOnce:
    """POST of an endpoint: `act` runs once per Idempotency-Key of a client, in a transaction with its answer."""

    def post(self, request: Request, *args: Any, **kwargs: Any) -> HttpResponse:
        view: Any = self
        return answer_once(request, lambda: view.act(request, *args, **kwargs), view)
