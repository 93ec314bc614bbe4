import csv
import io

from metaseg_tf.paper.layout import PrintedTable

TABLE = PrintedTable("t", "100 % of S_rel", ("metric", "XC"), (("S_rel", "0.5"), ("a,b", "1 & 2")))


def test_csv_reads_back():
    read = list(csv.reader(io.StringIO(TABLE.to_csv())))
    assert read == [
        ["metric", "XC"],
        ["S_rel", "0.5"],
        ["a,b", "1 & 2"],
    ]


def test_markdown_has_a_rule_below_the_header():
    lines = TABLE.to_markdown().splitlines()
    assert lines[:3] == [
        "| metric | XC |",
        "| --- | ---: |",
        "| S_rel | 0.5 |",
    ]


def test_latex_escapes_what_latex_reads():
    text = TABLE.to_latex()
    assert r"S\_rel & 0.5 \\" in text
    assert r"1 \& 2" in text
    assert r"100 \% of S\_rel" in text
    assert text.count(r"\begin") == text.count(r"\end")
