"""How plans are made, whatever the engine."""

from __future__ import annotations

from pyspark.errors.utils import is_debugging_enabled
from pyspark.sql import functions as F


def test_columns_do_not_carry_the_line_that_made_them(spark):
    assert "origin" not in str((F.col("a") + 1)._expr.to_plan(spark.client))
    assert not is_debugging_enabled()
