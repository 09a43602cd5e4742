"""Which months' facts a change of accepted sessions may alter (DEFINITIONS 2, Restatement). Pure Spark."""

from __future__ import annotations

import datetime as dt

from pyspark.sql import DataFrame
from pyspark.sql import functions as F


def affected_months(changed: DataFrame, accepted: DataFrame) -> list[dt.date]:
    """Months (their first day) that may differ now.

    They are the months of the changed rows themselves (new ones and ones that vanished), of all versions of the same
    session, of what a CDR bills or a credit credits, and of sessions that overlap on the same charge point.

    Args:
        changed: accepted rows that were added or removed.
        accepted: all accepted rows, as they are now.
    """
    ids = changed.select(
        "provider_id", F.explode(F.array("session_id", "cdr_session_id", "credit_reference_id")).alias("id")
    )
    ids = ids.where(F.col("id").isNotNull()).distinct()
    versions = accepted.select(
        "provider_id",
        "start_date",
        F.explode(F.array("session_id", "cdr_session_id", "credit_reference_id")).alias("id"),
    )
    related = versions.join(ids, ["provider_id", "id"], "left_semi").select("start_date")
    mine = changed.select(
        "charge_point_id", F.col("started_at").alias("mine_from"), F.col("ended_at").alias("mine_to")
    ).distinct()
    overlapping = (
        accepted.select("charge_point_id", "started_at", "ended_at", "start_date")
        .join(mine, "charge_point_id")
        .where((F.col("started_at") < F.col("mine_to")) & (F.col("mine_from") < F.col("ended_at")))
        .select("start_date")
    )
    dates = changed.select("start_date").unionByName(related).unionByName(overlapping)
    months = dates.select(F.trunc("start_date", "MM").alias("month")).distinct().toArrow().column(0).to_pylist()
    return sorted(month for month in months if month is not None)
