"""`lmctl report`, and --report of train and eval: the pages are read as a browser reads them."""

import json
import re
import shutil

import pytest

from lmctl.config import read_settings
from lmctl.jobs.train.run import train
from lmctl.store.bundle import open_bundle
from lmctl.store.writing import amend_bundle

HOSTILE = "<b>&amp;\"'"


@pytest.fixture(scope="module")
def chinese(tmp_path_factory, corpora):
    """n-grams of the Chinese corpus."""
    folder = tmp_path_factory.mktemp("chinese")
    train([str(corpora / "zh.txt")], folder / "model", read_settings(assignments=["preset=ngram"]))
    return folder / "model"


def perplexities(text):
    return re.findall(r"perplexity ([\d.,]+) including OOVs, ([\d.,]+) without", text)


def test_the_page_of_ngrams(chinese, read_report, call):
    page = read_report("report", chinese)

    assert page.headings == [
        "Model and text",
        "Side by side",
        "Frequent and rare words",
        "Surprisal, word by word",
        "Best and worst predictions",
        "Generations",
        "Runs and decisions of the gate",
        "Configuration, and how to repeat it",
        "Not in this report",
    ]
    assert any(each.startswith("Curves of training: there is no history of epochs") for each in page.texts["li"])
    assert "zh.txt" in page.text
    assert ("p", "lang", "zh") in page.attributes
    # The figures of the kept text are those of `lmctl eval`.
    kept = chinese / "current" / "valid.txt"
    figures = json.loads(call("eval", "-m", chinese, kept, "--json", "--accuracy-at", "1").out)
    assert perplexities(page.text) == [
        (f"{figures['perplexity']:,.2f}", f"{figures['perplexity_excluding_oov']:,.2f}")
    ]
    assert f"{figures['tokens']:,} tokens of the validation text" in page.text
    # The sample is the beginning of the text.
    line = kept.read_text().splitlines()[0]
    reading = next(text for text in page.texts["p"] if "¶" in text and "stronger" not in text)
    assert reading.removesuffix(" ¶") == line


def test_the_bands_add_up_to_the_tokens_of_eval(chinese, read_report, call):
    page = read_report("report", chinese)
    figures = json.loads(call("eval", "-m", chinese, chinese / "current" / "valid.txt", "--json").out)

    rows = page.content.decode().split('aria-label="Bands of frequency"')[1].split("</table>")[0]
    tokens = re.findall(r'scope="row"[^>]*>[^<]*</th><td class="number">([\d,]+)</td>', rows)
    assert sum(int(number.replace(",", "")) for number in tokens) == figures["tokens"]


def test_the_command_repeats_the_training(chinese, read_report, corpora):
    page = read_report("report", chinese)

    assert page.texts["code"][-2] == f"lmctl train {corpora / 'zh.txt'} -o {chinese} --set preset=ngram"
    assert page.texts["code"][-1] == (chinese / "current" / "config.yaml").read_text()


def test_a_page_on_standard_output(bundle, call, tmp_path):
    assert call("report", bundle, "-o", tmp_path / "page.html").code == 0

    assert call("report", bundle, "-o", "-").out == (tmp_path / "page.html").read_text()


def test_a_bundle_that_stands_alone(bundle, read_report):
    page = read_report("report", bundle)

    assert "Generations" not in page.headings
    assert "Generations: this bundle stands alone, and is not in a model folder." in page.texts["li"]
    assert any(each.startswith("Drift: ") for each in page.texts["li"])
    assert "the model keeps no validation text" in page.text
    assert "Runs and decisions of the gate: there is no runs.jsonl." in page.texts["li"]


def test_a_mixture_has_generations_and_no_command(counted, mixture, read_report):
    page = read_report("report", mixture)

    assert "Side by side" not in page.headings or "cache" in page.text
    assert "It is not known which command made this model" in page.text


def test_generations_and_the_one_of_the_report(counted, read_report):
    page = read_report("report", f"{counted}@1")

    assert "generation 1" in page.texts["h1"][0]
    assert next(row for row in page.texts["tr"] if "this report" in row).startswith("1this report")
    # Not the request of generation 1, which is not current: its configuration repeats it.
    assert "generations/000001/config.yaml" in page.texts["code"][-2]


def test_curves_drift_and_comparisons(bundle, read_report, tmp_path):
    folder = tmp_path / "model"
    shutil.copytree(bundle, folder)
    history = [
        {
            "epoch": epoch,
            "step": 100 * epoch,
            "learning_rate": 0.003 / epoch,
            "train_perplexity": 400.0 / epoch,
            "valid_perplexity": 500.0 / epoch,
            "best": True,
            "seconds": 30.0,
        }
        for epoch in (1, 2, 3)
    ]
    metrics = {
        "drift": {
            "model_sha256": "ab12",
            "oov_rate": 0.125,
            "new_words": [[HOSTILE, 7], ["新词", 5]],
            "rows_kept": 10,
            "rows_moved": 1,
            "rows_new": 2,
            "rows_gone": 3,
            "valid_perplexity": 321.5,
            "valid_oov_rate": 0.25,
            "valid_state": "carry",
            "new_text": 0.5,
            "rehearsed_text": 0.05,
            "rate_factor": 0.5,
        },
        "compared": {
            "baseline": "5-grams",
            "ngram_perplexity": 235.2,
            "network_perplexity": 97.7,
            "mixture_perplexity": 92.5,
            "weights": [0.75, 0.25],
            "mixture_is_chosen": False,
            "includes_oov": True,
            "state": "carry",
            "tokens": 1000,
        },
        "cache": {
            "words": 2000,
            "tokens": 500,
            "perplexity_without": 86.25,
            "perplexity": 64.5,
            "includes_oov": True,
        },
    }
    lines = "".join(json.dumps(line) + "\n" for line in history)
    amend_bundle(
        open_bundle(folder), {"metrics.json": json.dumps(metrics).encode(), "history.jsonl": lines.encode()}
    )
    page = read_report("report", folder)

    assert {"Curves of training", "Side by side", "Drift since the older model"} <= set(page.headings)
    assert "3 epochs, 300 steps, 1 min 30 s of training. Epoch 3 is the best one" in page.text
    assert page.cells("22001 min 00 s") == ["200.00250.000.0015yes"]
    assert page.cells("5-grams") == ["235.200.2500"]
    assert page.cells("mixture") == ["92.50-"]
    assert page.cells("cache of 2,000 words") == ["64.50"]
    assert page.cells(HOSTILE) == ["7"]
    assert page.cells("新词") == ["5"]
    assert "perplexity 321.50 (25.00 % OOV, state carry)" in page.text


def test_eval_reports_what_it_prints(chinese, counted, read_report, call, tmp_path):
    text = tmp_path / "<i>&.txt"
    text.write_text("我爱编程。\n<img src=x onerror=alert(1)>\n", encoding="utf-8")
    arguments = ("eval", "-m", chinese, "-m", counted, text, "--accuracy-at", "1")
    page = read_report(*arguments)
    printed = [json.loads(line) for line in call(*arguments, "--json").out.splitlines()]

    assert page.headings[:2] == ["Figures", "Models"]
    assert page.texts["h1"] == [f"Scores of {text}"]
    for figures in printed:
        (row,) = page.cells(f"{text}{figures['model']}")
        assert f"{figures['perplexity']:,.2f}" in row
        assert row.endswith(f"{100 * figures['accuracy']['1']:.2f} %")
    assert "<img src=x onerror=alert(1)>" in page.text.replace("\n", "")


def test_a_page_of_many_texts_stays_small(counted, read_report, tmp_path):
    texts = [tmp_path / f"{number}.txt" for number in range(20)]
    for text in texts:
        text.write_text("the cat sat on the mat .\n" * 50)
    page = read_report("eval", "-m", counted, *texts)

    assert "Words are shown of the first 6 texts." in page.text
    assert page.cells(f"{texts[19]}{counted}")


def test_a_model_with_hostile_names_and_words(call, read_report, tmp_path):
    text, valid = tmp_path / f"{HOSTILE}.txt", tmp_path / "valid.txt"
    valid.write_text(f"a {HOSTILE} b\n<script> c\n")
    text.write_text(f"a {HOSTILE} b\n<script> {'x' * 500} c\n" * 5)
    made = call(
        "train", text, "-o", tmp_path / HOSTILE, "--preset", "ngram", "--valid", valid, "--segmenter", "space"
    )
    assert made.code == 0, made.err
    page = read_report("report", tmp_path / HOSTILE)

    assert page.texts["h1"] == [f"Report of {tmp_path / HOSTILE}, generation 1"]
    assert "script" not in page.texts
    assert f"a {HOSTILE} b" in page.text


def test_train_reports_the_generation_that_it_published(call, read_report, tmp_path):
    text = tmp_path / "text.txt"
    text.write_text("the cat sat on the mat .\nthe dog sat on the cat .\n" * 20)
    page = read_report("train", text, "-o", tmp_path / "model", "--preset", "ngram")
    assert "generation 1" in page.texts["h1"][0]

    # Nothing has changed: the report is of the current generation.
    again = read_report("train", text, "-o", tmp_path / "model", "--preset", "ngram")
    assert again.texts["h1"] == page.texts["h1"]
    assert "unchanged" in again.text


def test_tune_reports_the_study_and_the_model(call, read_report, tmp_path):
    text, valid = tmp_path / "text.txt", tmp_path / "valid.txt"
    text.write_text("the cat sat on the mat .\nthe dog sat on the cat .\n" * 40)
    valid.write_text("the cat sat on the cat .\n" * 5)
    arguments = ("tune", text, "-o", tmp_path / "model", "--valid", valid, "--time-limit", "1h", "--trials", "2")
    page = read_report(*arguments, "--preset", "ngram")

    assert page.headings[:3] == ["Trials", "The best configuration", "Model and text"]
    summary = json.loads(call(*arguments, "--preset", "ngram", "--json").out)
    for trial in summary["study"]:
        best = ", the best" if trial["number"] == summary["best"] else ""
        order, pruning = (trial["values"][f"model.{key}"] for key in ("order", "pruning"))
        (cells,) = page.cells(f"{trial['number']}{trial['perplexity']:.2f}")
        # The time is between them.
        assert cells.endswith(f"done{best}{order}{pruning}")
    assert "Trials: 2 done. Together they took" in page.text
    assert f"lmctl train CORPUS -c {tmp_path / 'model' / 'tuning' / 'best.yaml'}" in page.text
    assert summary["yaml"] in page.text


@pytest.mark.parametrize("command", [("train",), ("tune", "--time-limit", "1h", "--trials", "1")])
def test_a_report_that_fails_at_its_end_does_not_hide_the_published_model(call, monkeypatch, tmp_path, command):
    def full(*_arguments):
        raise OSError(28, "No space left on device", "page.html")

    monkeypatch.setattr("lmctl.jobs.reporting.model_report.write_model_report", full)
    (tmp_path / "text.txt").write_text("the cat sat on the mat .\nthe dog sat on the cat .\n" * 20)
    (tmp_path / "valid.txt").write_text("the cat sat on the cat .\n" * 5)
    done = call(
        *command,
        tmp_path / "text.txt",
        *("--valid", tmp_path / "valid.txt", "-o", tmp_path / "model", "--preset", "ngram"),
        *("--report", tmp_path / "page.html"),
    )

    assert (done.code, done.out) == (74, f"{tmp_path / 'model/generations/000001'}\n")
    assert "page.html: No space left on device" in done.err


def test_the_gate_is_part_of_the_runs(read_report, call, tmp_path):
    text, valid = tmp_path / "text.txt", tmp_path / "valid.txt"
    text.write_text("the cat sat on the mat .\nthe dog sat on the cat .\n" * 20)
    valid.write_text("the cat sat on the cat .\n" * 5)
    arguments = ("train", text, "-o", tmp_path / "model", "--preset", "ngram", "--valid", valid)
    assert call(*arguments).code == 0
    assert call(*arguments, "--set", "model.order=2").code in (0, 3)
    assert call(*arguments, "--set", "model.order=1").code == 3
    page = read_report("report", tmp_path / "model")

    lines = [json.loads(line) for line in (tmp_path / "model" / "runs.jsonl").read_text().splitlines()]
    refused = lines[2]["gate"][0]
    assert (lines[0]["gate"], refused["passed"]) == (None, False)
    assert (
        f"refused on the validation text: {refused['new_bits_per_character']:.4f} against "
        f"{refused['published_bits_per_character']:.4f} (1 % is allowed)"
    ) in page.text


@pytest.mark.parametrize(
    ("arguments", "code", "message"),
    [
        (("report", "nothing-here", "-o", "page.html"), 66, "no such model"),
        (("report", "bundle", "-o", "missing/page.html"), 74, "missing"),
        (("report", "bundle"), 2, "-o FILE.html"),
        (("train", "good.txt", "--report", "-"), 2, "expected a file"),
        (("train", "good.txt", "--tensorboard", "good.txt"), 74, "expected a folder"),
        (("train", "good.txt", "--dry-run", "--report", "page.html"), 2, "--dry-run starts no run"),
        (("train", "good.txt", "--report", "missing/page.html"), 74, "missing"),
        (("tune", "good.txt", "--time-limit", "1h", "--report", "missing/page.html"), 74, "missing"),
        (("eval", "-m", "bundle", "good.txt", "--report", "missing/page.html"), 74, "missing"),
        (("compare", "bundle", "bundle@1", "good.txt", "--report", "-"), 2, "expected a file"),
        (("compare", "bundle", "other", "good.txt", "--report", "missing/page.html"), 74, "missing"),
    ],
)
def test_a_report_that_cannot_be_made_is_one_line(workplace, call, uniform, arguments, code, message):
    (workplace / "other").symlink_to(uniform)
    done = call(*arguments)

    assert done.code == code
    assert message in done.err
    assert len(done.err.splitlines()) <= 3
    assert not (workplace / "page.html").exists()
    assert not (workplace / "models").exists()


def test_a_report_without_matplotlib_names_the_extra(workplace, call, monkeypatch):
    real = __import__("importlib.util").util.find_spec
    monkeypatch.setattr("importlib.util.find_spec", lambda name: None if name == "matplotlib" else real(name))
    done = call("report", "bundle", "-o", "page.html")

    assert (done.code, "pip install 'lmctl[report]'" in done.err) == (2, True)
