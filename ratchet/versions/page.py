"""A comparison as a page in the report's style."""

from __future__ import annotations

from markupsafe import Markup

from ratchet.report.page import fragment, page
from ratchet.report.tables import sections
from ratchet.versions.result import Comparison
from ratchet.versions.showing import headline, tables


def render(found: Comparison) -> str:
    """The whole page, self-contained; every text in it may come from a model or a data set."""
    main = sections(tables(found), found.notes) + fragment(
        "flips.html.j2", found=found, kinds=("right to wrong", "wrong to right")
    )
    return page(
        f"{found.a} and {found.b}",
        headline(found),
        Markup(main),
        kicker=("compare", found.a, found.b),
        standfirst=f"Compared {found.where}. Every difference is paired: both versions on the same items.",
        footer=f"Items {found.items[:12]}. Differences are B minus A; intervals are 95%, by cluster.",
    )
