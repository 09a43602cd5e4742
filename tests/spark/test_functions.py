"""Each function that stream files may call gives the same on every engine."""

from __future__ import annotations

from cic_assets.kinds.functions import FUNCTIONS
from cic_assets.kinds.safe import safe

RECORD = {"word": "Ab c", "number": "12.5", "moment": "2026-03-29 01:30:00", "json": '{"a":[1,2]}'}
EXPECTED = {
    "coalesce": "Ab c",
    "nvl": "Ab c",
    "ifnull": "Ab c",
    "nullif": "Ab c",
    "if": "0",
    "isnull": "false",
    "isnotnull": "true",
    "greatest": "b",
    "least": "Ab c",
    "cast": "12.5",
    "try_cast": "12.5000",
    "concat": "Ab c-12.5",
    "concat_ws": "Ab c-12.5",
    "substring": "Ab",
    "substr": "Ab",
    "left": "Ab",
    "right": " c",
    "trim": "Ab c",
    "ltrim": "Ab c",
    "rtrim": "Ab c",
    "upper": "AB C",
    "lower": "ab c",
    "initcap": "Ab C",
    "length": "4",
    "char_length": "4",
    "lpad": "0000Ab c",
    "rpad": "Ab c0000",
    "replace": "Bb c",
    "translate": "Bb c",
    "reverse": "c bA",
    "instr": "4",
    "locate": "4",
    "position": "4",
    "split": "[Ab, c]",
    "split_part": "Ab",
    "substring_index": "Ab",
    "startswith": "true",
    "endswith": "true",
    "contains": "true",
    "regexp_extract": "b",
    "regexp_replace": "A- -",
    "regexp_like": "true",
    "md5": "b034d76a0440ea9425ba32c91faa816b",
    "sha1": "6ed0d841b0b799d53887c4cfb9bb07a511ae6deb",
    "sha2": "b074ee0aff51290bfb89e4dce0eba82843c68a53dfaf7721707128a571a3b460",
    "abs": "12.5000",
    "round": "12.5",
    "floor": "12",
    "ceil": "13",
    "ceiling": "13",
    "sign": "1.0",
    "pow": "156.25",
    "power": "156.25",
    "sqrt": "3.5355339059327378",
    "mod": None,
    "pmod": None,
    "conv": "255",
    "to_timestamp": "2026-03-29 01:30:00",
    "try_to_timestamp": "2026-03-29 01:30:00",
    "to_date": "2026-03-29",
    "to_utc_timestamp": "2026-03-29 01:30:00",
    "from_utc_timestamp": "2026-03-29 02:30:00",
    "timestamp_seconds": None,
    "timestamp_millis": None,
    "timestamp_micros": None,
    "date_format": "2026-03-29",
    "date_trunc": "2026-03-29 01:00:00",
    "date_add": "2026-03-30",
    "date_sub": "2026-03-28",
    "make_date": "2026-03-29",
    "make_timestamp": "2026-03-29 01:30:00",
    "unix_timestamp": "1774747800",
    "extract": "1",
    "year": "2026",
    "month": "3",
    "day": "29",
    "hour": "1",
    "minute": "30",
    "second": "0",
    "get_json_object": "[1,2]",
    "from_json": "[1, 2]",
    "to_json": '{"a":"Ab c"}',
    "json_array_length": "2",
    "named_struct": "Ab c",
    "array": "[Ab c, 12.5]",
    "map": "Ab c",
    "size": "2",
    "cardinality": "2",
    "element_at": "Ab",
    "try_element_at": None,
    "get": "Ab",
    "array_contains": "true",
    "array_join": "Ab-c",
    "array_position": "2",
    "array_distinct": "[Ab, c]",
    "array_max": "c",
    "array_min": "Ab",
    "array_sort": "[Ab, c]",
    "sort_array": "[Ab, c]",
    "slice": "[Ab]",
    "transform": "[AB, C]",
    "filter": "[Ab]",
    "exists": "true",
    "forall": "false",
}


def test_every_example_gives_the_same_on_each_engine(spark):
    from pyspark.sql import functions as F

    frame = spark.createDataFrame([tuple(RECORD.values())], list(RECORD))
    examples = {name: text for names in FUNCTIONS.values() for name, text in names.items()}
    columns = [F.expr(text).cast("string").alias(name) for name, text in examples.items()]
    assert frame.select(*columns).collect()[0].asDict() == EXPECTED


# What engines raise on, each with a value on which they do; safe, each gives null or a number.
RAISING = {
    "cast": "cast(word as double)",
    "of a number of 20 digits": "cast(large as int)",
    "product": "try_cast(large as bigint) * try_cast(large as bigint) * 3",
    "sum of texts": "word + number",
    "division": "100 / zero",
    "division of integers": "100 div zero",
    "rest": "mod(100, zero)",
    "positive rest": "pmod(try_cast(number as int), zero)",
    "sign": "-word",
    "magnitude": "abs(try_cast(large as bigint))",
    "comparison": "if(word = 3, 1, 2)",
    "list of numbers": "if(word in (1, 2), 1, 2)",
    "span": "if(word between 1 and 2, 1, 2)",
    "condition": "if(word, 1, 2)",
    "element": "split(word, ' ')[7]",
    "element by its place": "element_at(split(word, ' '), 7)",
    "part": "substring(word, word, 2)",
    "beginning": "left(word, word)",
    "time": "to_timestamp(word, 'yyyy-MM-dd')",
    "date": "to_date(word, 'yyyy-MM-dd')",
    "unix time": "unix_timestamp(word, 'yyyy-MM-dd')",
    "made date": "make_date(2026, try_cast(number as int) + 1, 1)",
    "made time": "make_timestamp(2026, 13, word, 1, 1, 1)",
    "of seconds": "timestamp_seconds(try_cast(large as bigint))",
    "within a list": "transform(split(word, ' '), x -> cast(x as int))",
}


def test_no_expression_raises_on_a_value(spark):
    from pyspark.sql import functions as F

    bad = [None, "", "x", "9223372036854775807", "0", "-1e400", "{", "2026-02-30 25:61:61"]
    examples = {name: text for names in FUNCTIONS.values() for name, text in names.items()}
    names = ["word", "number", "moment", "json", "large", "zero"]
    frame = spark.createDataFrame([(value,) * len(names) for value in bad], ", ".join(f"{n} string" for n in names))
    texts = {**examples, **RAISING}
    columns = [F.expr(safe(text)).cast("string").alias(name) for name, text in texts.items()]
    assert frame.select(*columns).count() == len(frame.select(*columns).collect()) == len(bad)


def test_what_is_made_safe_gives_what_it_gave(spark):
    from pyspark.sql import functions as F

    frame = spark.createDataFrame([tuple(RECORD.values())], list(RECORD))
    examples = {name: text for names in FUNCTIONS.values() for name, text in names.items()}
    columns = [F.expr(safe(text)).cast("string").alias(name) for name, text in examples.items()]
    assert frame.select(*columns).collect()[0].asDict() == EXPECTED
    row = {"word": "x", "number": "12.5", "large": "9223372036854775807", "zero": "0"}
    frame = spark.createDataFrame([tuple(row.values())], list(row))
    columns = [F.expr(safe(text)).cast("string").alias(name) for name, text in RAISING.items()]
    found = {name: value for name, value in frame.select(*columns).collect()[0].asDict().items() if value is not None}
    product, magnitude = found.pop("product"), found.pop("magnitude")
    assert (float(product), float(magnitude)) == (2.0**126 * 3, 2.0**63)
    # Engines write a null within a list in their own ways.
    assert found.pop("within a list").lower() == "[null]"
    assert found == {"comparison": "2", "list of numbers": "2", "span": "2", "condition": "2"}
