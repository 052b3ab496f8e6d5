"""Exported folders open in transformers 4.57, in an environment of its own, and generate what the checkpoint does."""

import json
import subprocess
import sys
import sysconfig
import venv
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from xlgen.adaptation import checkpoints as store
from xlgen.backbones.base import Backbone
from xlgen.data.examples import LabelledExample
from xlgen.decoding.decode import hypotheses
from xlgen.decoding.settings import Decoding
from xlgen.evaluation.export.run import export

pytestmark = pytest.mark.exhaustive

Make = Callable[[str, dict[str, Any]], Path]
PINNED = ("transformers==4.57.6", "tokenizers==0.22.2", "huggingface_hub==0.36.2")
TEXTS = {
    "en": "The mayor opened a school in the old town.",
    "th": "นายกเทศมนตรีเปิดโรงเรียน",
    "ru": "Мэр открыл школу в старом городе.",
    "ja": "市長が学校を開いた。",
    "ar": "افتتح العمدة مدرسة",
    "hi": "महापौर ने एक विद्यालय खोला।",
}


@pytest.fixture(scope="session")
def python(tmp_path_factory: pytest.TempPathFactory) -> str:
    """An interpreter whose transformers is 4.57; torch and the rest are this environment's."""
    folder = tmp_path_factory.mktemp("transformers4") / "venv"
    venv.create(folder, with_pip=True)
    found = str(folder / "bin" / "python")
    command = [found, "-m", "pip", "install", "--quiet", "--no-deps", *PINNED]
    done = subprocess.run(command, capture_output=True, text=True)
    if done.returncode:
        pytest.skip(f"transformers 4.57 cannot be installed: {done.stderr.strip().splitlines()[-1]}")
    (site,) = folder.glob("lib/python*/site-packages")
    (site / "zz_rest.pth").write_text(sysconfig.get_path("purelib"), encoding="utf-8")
    return found


def codes_of(backbone: Backbone, languages: list[str]) -> list[str]:
    """How the tokenizer writes each language."""
    ids = [backbone.target_prefix(code) for code in languages]
    return [backbone.tokenizer.convert_ids_to_tokens(found[0]) if found else "" for found in ids]


@pytest.mark.parametrize("config", [{"method": "full"}, {"method": "lora"}, {"method": "adapters"}], ids=str)
@pytest.mark.parametrize("family", ["mt5", "mbart", "nllb"])
def test_it_generates_the_same(python: str, trained: Make, tmp_path: Path, family: str, config: dict[str, Any]) -> None:
    checkpoint = trained(family, config)
    export(checkpoint, "transformers", tmp_path / "out", examples=1)
    backbone, _, _ = store.load_checkpoint(checkpoint)
    languages = list(TEXTS)
    texts = list(TEXTS.values())
    asked = {"texts": texts, "languages": languages, "codes": codes_of(backbone, languages)}
    limits = {"max_length": 64, "max_new_tokens": 12, "num_beams": 4}
    (tmp_path / "asked.json").write_text(json.dumps({**asked, **limits}), encoding="utf-8")
    script = Path(__file__).with_name("elsewhere.py")
    command = [python, str(script), str(tmp_path / "out"), str(tmp_path / "asked.json")]
    done = subprocess.run(command, capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    found = json.loads(done.stdout.splitlines()[-1])
    assert found["version"].startswith("4.57")
    examples = [LabelledExample("", code, text, (), "here") for code, text in zip(languages, texts, strict=True)]
    sources = [backbone.encode_source(example, 64)[0] for example in examples]
    assert found["rows"] == list(map(list, sources))  # the exported tokenizer reads text as xlgen does
    ours = [list(best[0].tokens) for best in hypotheses(backbone, sources, languages, Decoding(12, 4))]
    assert [row[: len(own)] for row, own in zip(found["ids"], ours, strict=True)] == ours


def test_mt5_from_the_hub_reads_bytes_there_too(
    python: str, hub_checkpoint: Callable[[str], Path], tmp_path: Path
) -> None:
    """A rare character is bytes in the exported tokenizer, both ways, in transformers 4.57 and 5."""
    from xlgen.adaptation.base import methods
    from xlgen.backbones.loading import load

    name = str(hub_checkpoint("mt5"))
    backbone, method = load(name), methods.build({"method": "full"})
    folder = tmp_path / "run" / "checkpoints" / "step-1"
    about = store.About(1, name, {"method": "full"}, None, ".")
    store.save_checkpoint(folder, backbone, method, about)
    export(folder, "transformers", tmp_path / "out")
    text = "《𠮷野家》 😀"
    code = (
        "import sys, json; from transformers import AutoTokenizer; t = AutoTokenizer.from_pretrained(sys.argv[1]); "
        "ids = t(sys.argv[2], add_special_tokens=False)['input_ids']; print(json.dumps([ids, t.decode(ids)]))"
    )
    for interpreter in (python, sys.executable):
        command = [interpreter, "-c", code, str(tmp_path / "out"), text]
        done = subprocess.run(command, capture_output=True, text=True, check=True)
        assert json.loads(done.stdout.splitlines()[-1]) == [backbone.tokenize(text), text]
