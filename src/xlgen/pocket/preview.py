"""Print stories of the pocket world: ``python -m xlgen.pocket.preview ru --count 3``."""

from __future__ import annotations

import argparse

from xlgen.pocket.world import LANGUAGES, frames, render


def main() -> None:
    """Print stories."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("languages", nargs="*", default=list(LANGUAGES))
    parser.add_argument("--count", type=int, default=2)
    arguments = parser.parse_args()
    for frame in frames("train", arguments.count):
        for language in arguments.languages:
            story = render(frame, language)
            print(f"[{language}] {story.document}\n  summary  {story.summary}\n  title    {story.title}")
            for kind, (question, answer) in story.questions.items():
                print(f"  {kind:8} {question} -> {answer}")


if __name__ == "__main__":
    main()
