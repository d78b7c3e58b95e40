"""Whether an answer agrees with the judge's own caption of the picture, which is then compared as a text alone."""

from __future__ import annotations

from collections.abc import Sequence

from ratchet.recipe.verifiers.judged import CaptionConsistencyConfig
from ratchet.verify.judged.asked import Asking, Case, Opinion, failed, opinion, question_of, shown, version_of, yes_no
from ratchet.verify.judges import Judge, Question
from ratchet.verify.judges.prompts import asking, template_of
from ratchet.verify.judges.reading import said
from ratchet.verify.tools import Tools


def build(config: CaptionConsistencyConfig, tools: Tools) -> Asking:
    caption = template_of(config.caption, "caption")
    template = template_of(config.template, "caption_consistency")

    def look(cases: Sequence[Case], judge: Judge) -> list[Opinion]:
        # All answers of a prompt share its caption: equal questions are asked once.
        asked = [Question.of(asking(caption, {"question": question_of(c.prompt)}), c.prompt.images) for c in cases]
        captions = judge.ask(asked)
        texts = [said(answers[0]) for answers in captions]
        able = [i for i, text in enumerate(texts) if text]
        questions = [Question.of(asking(template, _values(cases[i], texts[i] or ""))) for i in able]
        checked = dict(zip(able, yes_no(judge, questions, config.by), strict=True))
        opinions = []
        for i, answers in enumerate(captions):
            tokens = judge.tokens(answers)
            if i not in checked:
                opinions.append(failed(answers[0], tokens))
                continue
            one = checked[i]
            found = one.failure or opinion(one.score or 0.0, config.passes, one.tokens, detail=shown(texts[i] or ""))
            opinions.append(found._replace(tokens=found.tokens + tokens))
        return opinions

    version = version_of(config, tools, caption=caption, template=template)
    return Asking(config.called, version, look, tools, config.judge)


def _values(case: Case, caption: str) -> dict[str, str]:
    return {"caption": caption, "question": question_of(case.prompt), "answer": case.text}
