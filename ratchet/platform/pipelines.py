"""The API of Kubeflow Pipelines (v2beta1) as ratchet uses it: experiments, pipelines, runs, recurring runs.

Over the generated client kfp_server_api. In an installation with several users everything is in a namespace; in one
without, the API refuses requests that name one: which it is, `health` says.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator, Mapping
from functools import cached_property
from pathlib import Path
from typing import Any

from ratchet.platform.access import Access, configuration
from ratchet.platform.asking import NotThere, Patience, ask, found_or_made
from ratchet.platform.release import Health, check_release, health_of

PAGE = 100
DEFAULT = Patience()
ACTIVE = ("PENDING", "RUNNING", "PAUSED", "CANCELING", "RUNTIME_STATE_UNSPECIFIED", None)
"""States of a run that has not ended; a run that is only just made has none."""


class Pipelines:
    """A client. `namespace` is where runs go. Methods raise PlatformError (refused) and PlatformUnavailable (away)."""

    def __init__(self, access: Access, namespace: str, patience: Patience = DEFAULT) -> None:
        self.access, self.patience, self._namespace = access, patience, namespace

    def __repr__(self) -> str:
        return f"Pipelines({self.access.address!r}, namespace={self._namespace!r})"

    @cached_property
    def _client(self) -> Any:
        import kfp_server_api

        return kfp_server_api.ApiClient(configuration(self.access))

    def _api(self, name: str) -> Any:
        import kfp_server_api

        self._client.cookie = self.access.session()
        return getattr(kfp_server_api, name)(self._client)

    def _ask(self, service: str, method: str, *given: Any, repeat: bool = True, **named: Any) -> Any:
        kept = {name: value for name, value in named.items() if value is not None}

        def call(timeouts: tuple[float, float]) -> Any:
            return getattr(self._api(service), method)(*given, **kept, _request_timeout=timeouts)

        return ask(call, self.access, self.patience, repeat=repeat)

    @cached_property
    def health(self) -> Health:
        """What the server says of itself. Raises PlatformError for a server that is too old for this client."""

        def call(timeouts: tuple[float, float]) -> Health:
            # The generated model leaves the release out.
            answer = self._api("HealthzServiceApi").healthz_service_get_healthz(
                _preload_content=False, _request_timeout=timeouts
            )
            return health_of(answer.data, self.access)

        found: Health = ask(call, self.access, self.patience)
        check_release(found, self.access)
        return found

    @property
    def namespace(self) -> str | None:
        """The namespace to name in requests; None in an installation for one user."""
        return self._namespace if self.health.multi_user else None

    # Experiments

    def find_experiment(self, name: str) -> Any | None:
        method, wanted = "experiment_service_list_experiments", _equals("display_name", name)
        found = self._ask("ExperimentServiceApi", method, filter=wanted, namespace=self.namespace)
        return next(iter(found.experiments or ()), None)

    def experiment(self, name: str, description: str) -> tuple[Any, bool]:
        """The experiment of this name, and whether it was made now."""
        import kfp_server_api

        body = kfp_server_api.V2beta1Experiment(display_name=name, description=description, namespace=self.namespace)
        make = _making(self, "ExperimentServiceApi", "experiment_service_create_experiment", body)
        return found_or_made(lambda: self.find_experiment(name), make, self.patience)

    # Pipelines and their versions

    def find_pipeline(self, name: str) -> Any | None:
        method, wanted = "pipeline_service_list_pipelines", _equals("display_name", name)
        found = self._ask("PipelineServiceApi", method, filter=wanted, namespace=self.namespace)
        return next(iter(found.pipelines or ()), None)

    def upload(self, file: Path, name: str, description: str) -> tuple[Any, bool]:
        """A new pipeline of this name; the API makes its first version of the same file."""
        named = {"name": name, "description": description, "namespace": self.namespace}
        make = _making(self, "PipelineUploadServiceApi", "upload_pipeline", str(file), **named)
        return found_or_made(lambda: self.find_pipeline(name), make, self.patience)

    def versions(self, pipeline: str) -> list[Any]:
        """The versions of a pipeline, the newest first."""
        method = "pipeline_service_list_pipeline_versions"
        pages = self._pages(
            "PipelineServiceApi", method, "pipeline_versions", pipeline, page_size=PAGE, sort_by="created_at desc"
        )
        return list(pages)

    def newest_version(self, pipeline: str) -> Any | None:
        method = "pipeline_service_list_pipeline_versions"
        found = self._ask("PipelineServiceApi", method, pipeline, page_size=1, sort_by="created_at desc")
        return next(iter(found.pipeline_versions or ()), None)

    def upload_version(self, file: Path, pipeline: str, name: str, description: str) -> tuple[Any, bool]:
        def find() -> Any | None:
            return next((one for one in self.versions(pipeline) if one.display_name == name), None)

        named = {"name": name, "pipelineid": pipeline, "description": description}
        make = _making(self, "PipelineUploadServiceApi", "upload_pipeline_version", str(file), **named)
        return found_or_made(find, make, self.patience)

    # Runs

    def runs(self, experiment: str, *, name: str | None = None) -> Iterator[Any]:
        """Runs of an experiment, the newest first."""
        wanted = _equals("display_name", name) if name is not None else None
        named = {"experiment_id": experiment, "filter": wanted, "sort_by": "created_at desc", "page_size": PAGE}
        yield from self._pages("RunServiceApi", "run_service_list_runs", "runs", **named)

    def run(self, run: str) -> Any:
        try:
            return self._ask("RunServiceApi", "run_service_get_run", run)
        except NotThere as error:
            raise NotThere(f"there is no run {run} at {self.access.address}; `ratchet runs` lists them.") from error

    def create_run(self, body: Any, find: Callable[[], Any | None]) -> tuple[Any, bool]:
        """Start a run, unless `find` finds it started."""
        return found_or_made(find, _making(self, "RunServiceApi", "run_service_create_run", body), self.patience)

    def terminate(self, run: str) -> None:
        self._ask("RunServiceApi", "run_service_terminate_run", run)

    # Recurring runs: they can be made, switched and deleted, never changed

    def recurring_runs(self, experiment: str) -> list[Any]:
        """The oldest first."""
        method = "recurring_run_service_list_recurring_runs"
        named = {"experiment_id": experiment, "page_size": PAGE, "sort_by": "created_at asc"}
        return list(self._pages("RecurringRunServiceApi", method, "recurring_runs", **named))

    def create_recurring_run(self, body: Any, find: Callable[[], Any | None]) -> tuple[Any, bool]:
        method = "recurring_run_service_create_recurring_run"
        return found_or_made(find, _making(self, "RecurringRunServiceApi", method, body), self.patience)

    def switch_recurring_run(self, schedule: str, *, on: bool) -> None:
        method = f"recurring_run_service_{'enable' if on else 'disable'}_recurring_run"
        self._ask("RecurringRunServiceApi", method, schedule)

    def delete_recurring_run(self, schedule: str) -> None:
        try:
            self._ask("RecurringRunServiceApi", "recurring_run_service_delete_recurring_run", schedule)
        except NotThere:
            return  # by somebody else, or by a try of ours whose answer was lost

    def _pages(self, service: str, method: str, of: str, *given: Any, **named: Any) -> Iterator[Any]:
        token = None
        while True:
            page = self._ask(service, method, *given, **named, page_token=token)
            yield from getattr(page, of) or ()
            token = page.next_page_token
            if not token:
                return


def _making(client: Pipelines, service: str, method: str, *given: Any, **named: Any) -> Callable[[], Any]:
    return lambda: client._ask(service, method, *given, repeat=False, **named)


def _equals(key: str, value: str) -> str:
    return json.dumps({"predicates": [{"operation": "EQUALS", "key": key, "stringValue": value}]})


def parameters_of(run: Any) -> Mapping[str, Any]:
    """The arguments of a run or a recurring run."""
    return (run.runtime_config.parameters if run.runtime_config is not None else None) or {}


def is_active(run: Any) -> bool:
    return run.state in ACTIVE
