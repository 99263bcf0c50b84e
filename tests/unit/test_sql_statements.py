"""What a statement of a person may hold, and how the engine's errors read."""

import pytest

from infra.errors import ClickHouseRefusedError
from infra.sql.statement import check_statement, is_streamed
from infra.sql.words import plain_words

_TABLE_FUNCTIONS = frozenset({"merge", "url", "file", "s3", "numbers", "view", "format", "mergetreeindex"})


@pytest.mark.parametrize(
    "written_out",
    [
        "SELECT count() FROM deliveries",
        "WITH x AS (SELECT 1) SELECT * FROM x",
        "(SELECT 1) UNION ALL (SELECT 2)",
        "SHOW TABLES",
        "EXPLAIN SELECT 1",
        "SELECT 'INTO OUTFILE FORMAT CSV SETTINGS a = 1 url(' AS x",
        "SELECT number FROM numbers(10)",
        "SELECT 1 AS settings, 2 AS format",
        "SELECT air(1), daily(2), fileless(3)",
    ],
)
def test_a_statement_that_only_reads_tables_passes(written_out: str) -> None:
    check_statement(written_out, _TABLE_FUNCTIONS)


@pytest.mark.parametrize(
    ("written_out", "words"),
    [
        ("INSERT INTO t VALUES (1)", "not INSERT"),
        ("", "an empty statement"),
        ("SELECT 1 INTO OUTFILE 'x'", "--output"),
        ("SELECT 1 FORMAT CSV", "--format"),
        ("SELECT 1 SETTINGS readonly = 0", "options of the command"),
        ("SELECT (SELECT 1 SETTINGS additional_table_filters = map())", "options of the command"),
        ("SELECT * FROM `Merge`('a', 'b')", "Merge()"),
        ("SELECT * FROM mergeTreeIndex('a', 'b')", "mergeTreeIndex()"),
        ("SELECT file('/etc/passwd')", "file()"),
        ("SELECT dictGet('d', 'a', 1)", "dictGet()"),
        ("SELECT aiGenerate('x')", "aiGenerate()"),
        ("SELECT 'it\\'s' FROM url('x')", "url()"),
    ],
)
def test_a_statement_that_reaches_further_is_refused_in_plain_words(written_out: str, words: str) -> None:
    with pytest.raises(ClickHouseRefusedError) as refusal:
        check_statement(written_out, _TABLE_FUNCTIONS)
    assert words in str(refusal.value)


def test_only_what_selects_comes_block_by_block() -> None:
    assert is_streamed("SELECT 1")
    assert is_streamed("WITH 1 AS x SELECT x")
    assert is_streamed("(SELECT 1)")
    assert not is_streamed("DESCRIBE TABLE t")


@pytest.mark.parametrize(
    ("message", "sql", "words"),
    [
        (
            "Code: 62. DB::Exception: Syntax error: failed at position 13 (x) (line 2, col 5): x where. (SYNTAX_ERROR)",
            "select 1\nfrm x",
            "line 2, column 5: syntax error at x",
        ),
        (
            "Code: 47. DB::Exception: Unknown expression identifier `b`. In scope SELECT b. (UNKNOWN_IDENTIFIER)",
            "SELECT a.b,\n  b FROM t",
            "line 2, column 3: Unknown expression identifier `b`.",
        ),
        ("Code: 159. DB::Exception: Timeout exceeded: elapsed 1 ms. (TIMEOUT_EXCEEDED)", "SELECT 1", "--seconds"),
        ("Code: 241. DB::Exception: Query memory limit exceeded. (MEMORY_LIMIT_EXCEEDED)", "SELECT 1", "--memory-"),
        (
            "Syntax error (Multi-statements are not allowed): failed at position 9",
            "SELECT 1; SELECT 2",
            "one statement",
        ),
        ("Syntax error: failed at position 9 (end of query): .", "SELECT 1 FROM", "ends too early"),
    ],
)
def test_an_error_of_the_engine_names_the_place_in_plain_words(message: str, sql: str, words: str) -> None:
    said = plain_words(message, sql)
    assert words in said
    assert "Code:" not in said
    assert "DB::Exception" not in said
