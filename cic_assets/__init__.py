"""What holds in every process of the platform, from its first import on."""

import gc
import os

# gRPC has handlers for a fork that goes on to talk to the same servers. Nothing here does: a child that is about to
# become another program lost its threads' files under them, and 10 of 1,564 ended by SIGABRT or SIGSEGV before they
# were `pg_ctl` (none of 1,946 without the handlers; three processes busy beside). gRPC reads it once.
os.environ.setdefault("GRPC_ENABLE_FORK_SUPPORT", "0")
# A run's process imports Dagster, dbt, Spark and Great Expectations, none of which is ever garbage: looking at them
# after each 700 new objects was an eighth of its start (medians of 4, CPU time: definitions 3.2 → 3.0 s, Great
# Expectations 3.5 → 2.9 s).
gc.set_threshold(50_000, 20, 20)
