"""`lmctl compare --report`: the page has the numbers that the command prints."""

from __future__ import annotations

import json
import shutil


def test_compare_reports_what_it_prints(counted, mixture, bundle, read_report, call, tmp_path):
    text = tmp_path / "<i>&.txt"
    text.write_text("the cat sat on the mat .\n<img src=x> dog sat\nthe dog\n", encoding="utf-8")
    models = (f"{counted}@1", counted, mixture)
    arguments = ("compare", *models, "--samples", "200", text)
    page = read_report(*arguments, "--level", "summary", "--format", "tsv")
    printed = [json.loads(line) for line in call(*arguments, "--json").out.splitlines()]
    summaries, groups, words = (
        [each for each in printed if each["level"] == level] for level in ("summary", "group", "word")
    )

    assert page.headings == ["Models", "Figures", "Where they differ", "Tokens that differ most"]
    assert page.texts["h1"] == [f"Comparison on {text}"]
    for number, each in enumerate(summaries, start=1):
        _, of_figures, *of_difference = page.cells(f"{number} {each['model']}")
        assert of_figures.startswith(f"{each['perplexity']:,.2f}{each['low']:,.2f} to {each['high']:,.2f}")
        if number > 1:
            assert of_difference[0].endswith(f"{each['p']:.4f}{each['p_holm']:.4f}")
    # Each group has its numbers, beside the plots.
    assert sum(bool(page.cells(f"{each['group']}{each['tokens']}")) for each in groups) == len(groups)
    assert {"2 less 1", "3 less 1"} <= set(page.texts["text"])
    assert page.texts["mark"] == [each["word"] for each in words]
    assert "<img src=x> dog sat" in page.text


def test_plots_have_three_models_and_tables_all(counted, mixture, bundle, uniform, read_report, tmp_path):
    text = tmp_path / "text.txt"
    text.write_text("the cat sat on the mat .\nthe dog sat\n")
    models = (f"{counted}@1", counted, mixture, bundle, uniform)
    page = read_report("compare", *models, "--samples", "50", text)

    assert "Plots show the models 2 to 4; the numbers below each are of all models." in page.text
    plotted = {label for label in page.texts["text"] if "less 1" in label}
    assert plotted == {"2 less 1", "3 less 1", "4 less 1"}
    assert "5 less 1" in page.texts["th"]


def test_compare_prints_as_many_tokens_as_without_a_report(counted, read_report, call, tmp_path):
    text = tmp_path / "text.txt"
    text.write_text("the cat sat on the mat .\nthe dog sat\n")
    arguments = ("compare", f"{counted}@1", counted, "--samples", "200", text, "--tokens", "1", "--level", "word")
    page = read_report(*arguments)

    printed = call(*arguments, "--report", tmp_path / "page.html").rows
    assert printed == call(*arguments).rows
    assert len(printed) == 2
    assert len(page.texts["mark"]) > 1


def test_a_page_of_many_comparisons_stays_small(counted, uniform, read_report, tmp_path):
    texts = [tmp_path / f"{number}.txt" for number in range(15)]
    for text in texts:
        text.write_text("the cat sat on the mat .\nthe dog sat on the cat .\n" * 10)
    page = read_report("compare", f"{counted}@1", counted, "--samples", "50", *texts)

    assert "Groups and tokens are shown of the first texts alone (12)." in page.text
    assert f"Figures on {texts[14]}" in page.headings
    assert f"Where they differ on {texts[12]}" not in page.headings


def test_models_that_fill_gaps_are_refused_and_leave_no_page(make_bundle, call, tmp_path):
    folders = [make_bundle(tmp_path / name, family="masked") for name in ("one", "two")]
    text, page = tmp_path / "text.txt", tmp_path / "page.html"
    text.write_text("the cat\nthe dog sat\n")
    done = call("compare", *folders, text, "--report", page)

    assert (done.code, done.out) == (2, "")
    assert "fills gaps, and has no probability of a text; expected models that predict the next word" in done.err
    assert len(done.err.splitlines()) == 1
    assert not page.exists()


def test_models_that_do_not_differ_have_a_page(uniform, read_report, tmp_path):
    text = tmp_path / "text.txt"
    text.write_text("the cat\nthe dog sat\n")
    copy = shutil.copytree(uniform, tmp_path / "copy")
    page = read_report("compare", uniform, copy, "--samples", "50", text)

    assert f"2 {copy} gives every token the probability that model 1 gives." in page.text
