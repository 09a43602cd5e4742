-- What charging costs, as tariffs streams give it: one row per price of an element and version (cic_assets/facts/tariffs.py).
create table facts.tariff (
  provider_id text not null,
  authority_id text not null,
  tariff_id text not null,
  -- Since when and until when the version applies; null: it is the newest, and says no end.
  valid_from timestamptz not null,
  valid_to timestamptz,
  -- The first element whose restrictions hold decides; within it, each price for what it is for.
  element integer not null,
  part integer not null,
  currency text,
  tariff_type text,
  component text not null,
  -- Without VAT: per kWh, per hour, or once.
  price numeric(12, 4) not null,
  vat_pct numeric(12, 4),
  step_size numeric(12, 4),
  start_time text,
  end_time text,
  start_date text,
  end_date text,
  days text[],
  min_kwh numeric(12, 4),
  max_kwh numeric(12, 4),
  min_current numeric(12, 4),
  max_current numeric(12, 4),
  min_power_kw numeric(12, 4),
  max_power_kw numeric(12, 4),
  min_duration_seconds numeric(12, 4),
  max_duration_seconds numeric(12, 4),
  reservation text,
  min_price numeric(12, 4),
  max_price numeric(12, 4),
  last_updated timestamptz,
  stream_id text not null,
  flags text[] not null,
  primary key (provider_id, tariff_id, valid_from, element, part)
);
