"""Checks of the model servers that a recipe asks, and of the hub: address, key, model, and one token."""

from __future__ import annotations

import asyncio
from typing import Any
from urllib.parse import quote

from ratchet.errors import SamplingError
from ratchet.preflight.checking import Check
from ratchet.preflight.context import Context
from ratchet.preflight.finding import Finding, fail, ok, skipped, warn, worst
from ratchet.preflight.http import Unreachable, ask
from ratchet.recipe import EndpointConfig, Recipe

HUB = "https://huggingface.co"
SAMPLER = "generate"
_KEY = "Put the key into the variable that key_env names, from a secret of the profile."


def asked(recipe: Recipe) -> list[tuple[str, EndpointConfig]]:
    """The servers that the recipe's stages ask, by who asks."""
    found = [(SAMPLER, recipe.generate.engine)] if isinstance(recipe.generate.engine, EndpointConfig) else []
    named = {str(getattr(one, "judge", None)) for one in recipe.verify.chosen}
    for name in sorted(named & set(recipe.verify.judges)):
        engine = recipe.verify.judges[name].engine
        if isinstance(engine, EndpointConfig):
            found.append((f"judge {name}", engine))
    return found


def generating(context: Context) -> Finding:
    return _all(context, [one for one in asked(context.wanted) if one[0] == SAMPLER])


def judging(context: Context) -> Finding:
    return _all(context, [one for one in asked(context.wanted) if one[0] != SAMPLER])


def _all(context: Context, servers: list[tuple[str, EndpointConfig]]) -> Finding:
    return worst([_server(who, config, speaks=not context.beginning) for who, config in servers])


def _server(who: str, config: EndpointConfig, *, speaks: bool) -> Finding:
    """`speaks`: also ask for one token."""
    from ratchet.generate.engines.endpoint_http import NotThere
    from ratchet.generate.engines.endpoint_reply import Again

    try:
        return asyncio.run(_asking(who, config, speaks))
    except NotThere as error:
        return fail(f"{who}: {error}", "Correct the address (most end in /v1) or the model's name in the recipe.")
    except SamplingError as error:
        return fail(f"{who}: {error}", _KEY if "API key" in str(error) else "Correct the address or the key.")
    except Again as error:
        return fail(f"{who}: the server does not answer as it should ({error})", "Start the server, and see its log.")


async def _asking(who: str, config: EndpointConfig, speaks: bool) -> Finding:
    from ratchet.generate.engines.endpoint_http import Server
    from ratchet.generate.engines.endpoint_pace import Pace
    from ratchet.generate.engines.endpoint_reply import Refused

    quick = config.model_copy(update={"timeout_seconds": min(config.timeout_seconds, 15.0)})
    server = Server(quick, Pace())
    async with server.session() as session:
        listed = _names(await server.exchange(session, "GET", "models"))
        model = config.model or (listed[0] if len(listed) == 1 else None)
        if model is None or (listed and model not in listed):
            wanted = f"model {config.model}" if config.model else "a model (the recipe names none)"
            return fail(
                f"{who}: {server.url} serves {', '.join(listed[:5]) or 'no model'}, not {wanted}",
                "Set engine.model to one that it serves, or start the server with it.",
            )
        if not speaks:
            return ok(f"{who}: {server.url} serves {model}")
        try:
            reply = await server.exchange(session, "POST", "chat/completions", _token(model, config))
        except Refused as error:
            return warn(
                f"{who}: {server.url} refuses a plain question ({error})", "Ask it by hand, with the recipe's options."
            )
    if not isinstance(reply, dict) or not reply.get("choices"):
        return fail(f"{who}: {server.url} answers no completion", "Name an OpenAI-compatible server in engine.url.")
    return ok(f"{who}: {model} at {server.url} answers")


def _token(model: str, config: EndpointConfig) -> bytes:
    from ratchet import canonical

    question = {"role": "user", "content": "Say yes."}
    return canonical.dumps({"model": model, "messages": [question], config.length_field: 1})


def _names(reply: Any) -> list[str]:
    listed = reply.get("data") if isinstance(reply, dict) else None
    return [str(one.get("id")) for one in listed or () if isinstance(one, dict)]


def hub(context: Context) -> Finding:
    """That the models which the recipe names by hf:// are on the hub and ours to read, or in the cache when it is offline."""
    named = [one for one in context.wanted.sources() if one.startswith("hf://")]
    if not named:
        return skipped("nothing is named by hf://")
    offline = context.environment.get("HF_HUB_OFFLINE", "").upper() in ("1", "ON", "YES", "TRUE")
    return worst([(_cached if offline else _hosted)(context, one) for one in named])


def _hosted(context: Context, source: str) -> Finding:
    repo, _, revision = source.removeprefix("hf://").partition("@")
    base = context.environment.get("HF_ENDPOINT", HUB).rstrip("/")
    token = context.environment.get("HF_TOKEN")
    headers = {"Authorization": f"Bearer {token}"} if token else {}
    try:
        reply = ask(f"{base}/api/models/{repo}/revision/{quote(revision or 'main', safe='')}", headers=headers)
    except Unreachable as error:
        return fail(
            f"the hub at {base} does not answer: {error}",
            "Let the pods reach it (proxy, HF_ENDPOINT), or bring the model into the store and name it by s3://.",
        )
    if reply.status in (401, 403):
        return fail(
            f"{source}: HTTP {reply.status}, {'HF_TOKEN may not read it' if token else 'and no HF_TOKEN is set'}",
            "Accept the model's terms on its page and put a token that may read it into HF_TOKEN, from a secret.",
        )
    if reply.status != 200:
        return fail(f"{source}: HTTP {reply.status} from {base}", "Correct the name or the revision in the recipe.")
    return ok(f"{source} is on the hub")


def _cached(context: Context, source: str) -> Finding:
    from ratchet.errors import ModelError
    from ratchet.sources import fetch_model

    try:
        fetch_model(source, context.store)
    except ModelError as error:
        return fail(f"{source}, with HF_HUB_OFFLINE: {error}", "Bring it into HF_HOME's cache, or name it by s3://.")
    return ok(f"{source} is in the cache")


CHECKS = (
    Check("sampler", "the server that generate asks", generating, ("sampler",), imports=("aiohttp",), begins=True),
    Check("judges", "the servers that judges run on", judging, ("judges",), imports=("aiohttp",), begins=True),
    Check("hub", "models on the Hugging Face hub", hub, ("recipe",), begins=True),
)
