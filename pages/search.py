"""The page Search: values of some fields of a spec are tried, and the best are found."""

from core.refusal import Refusal
from ui.search import ask, progress, shown, state
from ui.text import refused

study = state.choose()
if study is None:
    ask.panel()
else:
    try:
        seen = state.see(study)
        progress.panel(seen)
        if seen.done:
            shown.panel(seen)
    except Refusal as refusal:
        refused(refusal)
