-- Replaced by `catalogue.schema_version` and `catalogue.schema_state`, which `warehouse/migrate.py` makes before any migration.
drop table if exists catalogue.set_up;
