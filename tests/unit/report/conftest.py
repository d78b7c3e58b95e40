"""The example loop, and the same loop with hostile text in it."""

from __future__ import annotations

import pytest

from ratchet.report.collect import collect
from ratchet.report.view import AnswerView, LoopView
from ratchet.store import Store
from tests.unit.loops import LOOP
from tests.unit.report import example
from tests.unit.report.collected import steered_loop


@pytest.fixture(scope="session")
def view() -> LoopView:
    return example.loop()


@pytest.fixture(scope="session")
def steered(tmp_path_factory: pytest.TempPathFactory) -> Store:
    """A loop of three rounds whose generate artifacts have all that a collection may have."""
    return steered_loop(tmp_path_factory.mktemp("steered"))[1]


@pytest.fixture(scope="session")
def steered_view(steered: Store) -> LoopView:
    return collect(steered, LOOP)


HOSTILE = (
    "</script><script>window.hacked=1;document.title='hacked'</script>"
    '<img src=x onerror="window.hacked=2"><b>bold</b> & \'quotes\' "double" {{ 7 * 7 }} \u202ereversed\u200f \0 end <!-- ]]>'
)


@pytest.fixture(scope="session")
def hostile(view: LoopView) -> LoopView:
    """The loop with hostile text wherever a model, a person or a file name could bring it in."""
    answer = AnswerView(who="champion", text=HOSTILE, passed=None, reason=HOSTILE)
    bad = view.gallery[0].model_copy(
        update={"question": HOSTILE, "reference": HOSTILE, "skill": HOSTILE, "prompt_id": HOSTILE, "answers": (answer,)}
    )
    first = view.rounds[1].model_copy(
        update={
            "reason": HOSTILE,
            "sentences": (HOSTILE,),
            "drops": {HOSTILE: 3},
            "kept_by_skill": {HOSTILE: 4},
            "seed_version": HOSTILE,
            "candidate_version": HOSTILE,
            "guards": tuple(g.model_copy(update={"name": HOSTILE}) for g in view.rounds[1].guards),
            "stages": tuple(s.model_copy(update={"name": HOSTILE, "uri": HOSTILE}) for s in view.rounds[1].stages),
        }
    )
    named = view.controls[0].model_copy(update={"title": HOSTILE, "explanation": HOSTILE, "reason": HOSTILE})
    return view.model_copy(
        update={
            "loop": HOSTILE,
            "recipe": HOSTILE + "\n",
            "notes": (HOSTILE,),
            "code_revision": HOSTILE,
            "rounds": (first,),
            "controls": (named,),
            "gallery": (bad,),
            "final": view.final.model_copy(update={"label": HOSTILE}) if view.final else None,
        }
    )
