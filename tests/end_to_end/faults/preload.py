"""What every worker needs, imported once in the server that workers are forked from. Nothing here starts a thread."""

import dagster_pyspark
import pysail.spark
import pyspark.sql.connect.dataframe
import pyspark.sql.connect.session
import pyspark.sql.pandas.types

import tests.end_to_end.faults.states
import tests.end_to_end.faults.steps

__all__ = ["dagster_pyspark", "pysail", "pyspark", "tests"]
