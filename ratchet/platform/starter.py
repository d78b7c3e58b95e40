"""Rounds as runs of Kubeflow Pipelines: the Starter of a cluster."""

from __future__ import annotations

import os
from collections.abc import Iterator
from typing import Any

from ratchet.errors import PlatformError
from ratchet.operations.starting import RoundRequest, RunState, Started
from ratchet.operations.starts import CLAIM_SECONDS, abandon, claim, read_start, settle, short
from ratchet.platform.pipelines import Pipelines, is_active, parameters_of
from ratchet.platform.places import Place
from ratchet.store import Store

_ENDED = {"CANCELED": "cancelled"}


class KfpStarter:
    """Starts rounds at a place (profile) of a cluster. Safe to be used by several processes at once, and to be killed."""

    def __init__(self, client: Pipelines, store: Store, place: Place, claim_seconds: float = CLAIM_SECONDS) -> None:
        self._client, self._store, self._place, self._claim = client, store, place, claim_seconds

    def start(self, request: RoundRequest) -> Started:
        """A run for the request, or the one that it has already."""
        known = read_start(self._store, request.loop, request.key)
        if known is not None and known.run is not None:
            return self._started(known.run, False)
        # Before the request is taken: a pipeline that is not there is a mistake of people.
        version = deployed(self._client, self._place)
        experiment, _ = self._client.experiment(self._place.experiment_of(request.loop), f"loop {request.loop}")
        mine = claim(self._store, request, seconds=self._claim)
        if mine.run is not None:
            return self._started(mine.run, False)
        try:
            run, new = self._run(request, experiment, version)
        except BaseException:
            abandon(self._store, mine)
            raise
        settle(self._store, mine, run.run_id)
        return self._started(run.run_id, new)

    def _run(self, request: RoundRequest, experiment: Any, version: Any) -> tuple[Any, bool]:
        """The one run of the request, and whether it was started now."""
        name = run_name(request)

        def found() -> list[Any]:
            return list(self._client.runs(experiment.experiment_id, name=name))

        body = self._body(request, name, experiment, version)
        run, new = self._client.create_run(body, lambda: next(reversed(found()), None))
        only = self._only(run, found()) if new else run
        return only, new and only.run_id == run.run_id

    def _started(self, run: str, new: bool) -> Started:
        return Started(run=run, new=new, url=run_url(self._client, run))

    def running(self, loop: str) -> list[RunState]:
        """Runs of the loop that have not ended."""
        return list(runs_of(self._client, self._place.experiment_of(loop), loop, active=True))

    def _only(self, mine: Any, all_of_name: list[Any]) -> Any:
        """Of several runs for one request the oldest counts: who came late, out of a long sleep, takes its own back."""
        oldest = min(all_of_name, key=lambda run: (run.created_at, run.run_id), default=mine)
        for run in all_of_name:
            if run.run_id != oldest.run_id and is_active(run):
                self._client.terminate(run.run_id)
        return oldest

    def _body(self, request: RoundRequest, name: str, experiment: Any, version: Any) -> Any:
        import kfp_server_api

        reference = kfp_server_api.V2beta1PipelineVersionReference(
            pipeline_id=version.pipeline_id, pipeline_version_id=version.pipeline_version_id
        )
        return kfp_server_api.V2beta1Run(
            experiment_id=experiment.experiment_id,
            display_name=name,
            description=request.why,
            pipeline_version_reference=reference,
            runtime_config=kfp_server_api.V2beta1RuntimeConfig(parameters=arguments(request)),
            service_account=self._place.service_account,
        )


def arguments(request: RoundRequest) -> dict[str, Any]:
    """The pipeline's arguments; what is as by default is left out, so that the UI shows what was asked for."""
    given = {"recipe": request.recipe, "loop": request.loop, "seed": request.seed}
    more = {"budget": request.budget, "resume": request.resume}
    origin = {} if request.origin == "person" else {"origin": request.origin}
    return {**given, **{name: value for name, value in more.items() if value}, **origin}


def run_name(request: RoundRequest) -> str:
    """One name for one request: a run that was started is found by it."""
    return f"{request.loop}-{short(request.key)}"


def deployed(client: Pipelines, place: Place) -> Any:
    """The newest version of the place's pipeline. Raises PlatformError with the next step where there is none."""
    found = client.find_pipeline(place.pipeline)
    version = client.newest_version(found.pipeline_id) if found is not None else None
    if version is None:
        raise PlatformError(
            f"{client.access.address} has no pipeline {place.pipeline}: upload it with `ratchet deploy` and the same --profile."
        )
    return version


def run_url(client: Pipelines, run: str) -> str | None:
    """Where people look at a run; None where only the API's own address is known."""
    front = os.environ.get("KF_PIPELINES_UI_ENDPOINT") or client.access.address
    return None if front.endswith(":8888") else f"{front.rstrip('/')}/#/runs/details/{run}"


def runs_of(client: Pipelines, experiment: str, loop: str, *, active: bool = False) -> Iterator[RunState]:
    """Runs of a loop, the newest first; none where nothing was started yet."""
    found = client.find_experiment(experiment)
    if found is None:
        return
    for run in client.runs(found.experiment_id):
        # An experiment may be shared: the profile can name one for several loops.
        if parameters_of(run).get("loop") == loop and (is_active(run) or not active):
            yield state_of(run)


def state_of(run: Any) -> RunState:
    state = run.state or "PENDING"
    return RunState(
        run=run.run_id,
        name=run.display_name,
        loop=parameters_of(run).get("loop"),
        state=_ENDED.get(state, state.lower()),
        why=run.error.message if run.error is not None else run.description,
    )
