"""Build tokenizers and configs of the embedded backbones: ``python -m xlgen.backbones.pocket_skeletons [NAME ...]``.

They are trained on the pocket world's unlabelled text in all of its languages. The weights come from pretraining with
the recipes in ``recipes/pocket/``. Deterministic; run it only to change the world or the shapes, since the repository
keeps every version of what it writes.
"""

from __future__ import annotations

import sys
from collections.abc import Iterator
from pathlib import Path

from xlgen.backbones.skeletons import Shape, build, skeletons
from xlgen.pocket import world

_POCKET = Path(world.__file__).parent / "backbones"
_STORIES = 1_500


def _pocket_corpus() -> Iterator[str]:
    """Equal parts of text in every language: documents, summaries, and questions, which have words of their own."""
    for frame in world.frames("unlabelled", _STORIES):
        for language in world.LANGUAGES:
            story = world.render(frame, language)
            yield story.document
            yield " ".join([story.summary, *(question for question, _ in story.questions.values())])


def main() -> None:
    """Write the skeletons of the named embedded backbones, or of all."""
    names = {f"pocket-{family}": family for family in skeletons.names()}
    for name in sys.argv[1:] or names:
        tokenizer, config = build(names[name], _pocket_corpus, world.LANGUAGES, Shape())
        config.save_pretrained(_POCKET / name)
        tokenizer.save_pretrained(_POCKET / name)
        print(f"{_POCKET / name}: {config.vocab_size} tokens")


if __name__ == "__main__":
    main()
