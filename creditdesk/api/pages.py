"""What anybody may read without a key, because it is the same in every installation: the schema and its pages."""

from __future__ import annotations

from threading import Lock
from typing import Any

from drf_spectacular.renderers import OpenApiJsonRenderer, OpenApiYamlRenderer
from drf_spectacular.utils import extend_schema
from drf_spectacular.views import SpectacularAPIView, SpectacularSwaggerSplitView
from rest_framework.exceptions import NotFound
from rest_framework.request import Request
from rest_framework.response import Response
from rest_framework.views import APIView

from creditdesk.api.problems import CATALOGUE, TITLES, ProblemHandler


class Open:
    """No key, no throttle, no log: nothing here is about anybody's book."""

    authentication_classes: list[Any] = []
    permission_classes: list[Any] = []
    throttle_classes: list[Any] = []

    def get_exception_handler(self) -> Any:
        return lambda error, context: ProblemHandler(error, context).run()


# What draws up the schema loads its extensions while it is first asked, and not safely for two threads at once.
_ONE_AT_A_TIME = Lock()


class SchemaDocument(Open, SpectacularAPIView):
    renderer_classes = [OpenApiJsonRenderer, OpenApiYamlRenderer]

    def _get_schema_response(self, request: Request) -> Response:
        with _ONE_AT_A_TIME:
            return super()._get_schema_response(request)


class Documentation(Open, SpectacularSwaggerSplitView):
    """The schema as a page to read and try; everything it loads comes from this installation."""

    url_name = "api:schema"
    url_self: str | None = None


@extend_schema(exclude=True)
class Problems(Open, APIView):
    """What `type` of a problem points at."""

    def get(self, request: Request) -> Response:
        return Response(
            [
                {"type": f"{CATALOGUE}#{code}", "code": code, "title": str(title)}
                for code, title in TITLES.items()
            ]
        )


@extend_schema(exclude=True)
class Nowhere(Open, APIView):
    """Any other address under /api/v1/: a problem, not a page."""

    def dispatch(self, request: Any, *args: Any, **kwargs: Any) -> Any:
        self.http_method_names = [request.method.lower()]
        setattr(self, request.method.lower(), self._nothing)
        return super().dispatch(request, *args, **kwargs)

    def _nothing(self, request: Request) -> Response:
        raise NotFound
