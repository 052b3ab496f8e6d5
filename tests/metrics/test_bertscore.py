from pathlib import Path

import numpy as np
import pytest

from xlgen.core.registry import InputError
from xlgen.metrics.base import Example
from xlgen.metrics.bertscore import BertScore

bert_score = pytest.importorskip("bert_score", reason="the extra bertscore is not installed")
TEXTS = ["The children went to school.", "Дети пошли в школу.", "孩子们去学校。", "เด็ก ๆ ไปโรงเรียน"]


@pytest.fixture(scope="module")
def tiny(tmp_path_factory: pytest.TempPathFactory) -> str:
    """A BERT of two layers at random, over characters."""
    import torch
    from transformers import BertConfig, BertModel, BertTokenizerFast

    folder = tmp_path_factory.mktemp("bert")
    specials = ["[PAD]", "[UNK]", "[CLS]", "[SEP]", "[MASK]"]
    characters = sorted(set("".join(TEXTS)) - {" "})
    vocabulary = [*specials, *characters, *(f"##{char}" for char in characters)]
    (folder / "vocab.txt").write_text("\n".join(vocabulary), encoding="utf-8")
    BertTokenizerFast(vocab=str(folder / "vocab.txt"), do_lower_case=False, model_max_length=64).save_pretrained(folder)
    shape = {"hidden_size": 32, "num_hidden_layers": 2, "num_attention_heads": 2, "intermediate_size": 48}
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(0)
        model = BertModel(BertConfig(vocab_size=len(vocabulary), max_position_embeddings=64, **shape))
    model.save_pretrained(folder)
    return str(folder)


def test_scores_are_the_librarys(tiny: str) -> None:
    pairs = [(one, other) for one in TEXTS for other in TEXTS]
    ours = BertScore(tiny).per_example([Example("ru", one, (other,)) for one, other in pairs])["bertscore_f1"]
    theirs = bert_score.score(*map(list, zip(*pairs, strict=True)), model_type=tiny, num_layers=2)[2]
    np.testing.assert_allclose(ours, theirs.numpy(), atol=1e-6)
    assert ours[[0, 5, 10, 15]] == pytest.approx(1)
    assert (np.delete(ours, [0, 5, 10, 15]) < 0.999).all()


def test_the_best_reference_counts_and_the_batch_does_not(tiny: str) -> None:
    examples = [Example("ru", TEXTS[0], tuple(TEXTS[1:])), Example("ru", TEXTS[1]), Example("ru", "", (TEXTS[0],))]
    examples += [Example("ru", "\ud800 x" * 500, (TEXTS[2], ""))]
    together = BertScore(tiny, batch_size=2).per_example(examples)["bertscore_f1"]
    alone = [BertScore(tiny).per_example([example])["bertscore_f1"][0] for example in examples]
    np.testing.assert_allclose(together, alone, atol=1e-6)
    single = BertScore(tiny).per_example([Example("ru", TEXTS[0], (other,)) for other in TEXTS[1:]])["bertscore_f1"]
    assert together[0] == pytest.approx(single.max(), abs=1e-6)
    assert np.isnan(together).tolist() == [False, True, False, False]
    assert together[2] == 0


def test_an_unknown_model_says_what_is_missing(tmp_path: Path) -> None:
    example = [Example("ru", "x", ("x",))]
    with pytest.raises(InputError, match="give num_layers"):
        BertScore(str(tmp_path)).per_example(example)
    with pytest.raises(InputError, match="cannot load"):
        BertScore(str(tmp_path), num_layers=2).per_example(example)


def test_signature(tiny: str) -> None:
    assert BertScore("a/b", num_layers=3).signature("ru").startswith("model:b|layer:3|bert-score:")
