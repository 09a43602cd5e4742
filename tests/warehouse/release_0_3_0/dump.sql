--
-- PostgreSQL database dump
--


-- Dumped from database version 18.6
-- Dumped by pg_dump version 18.6

SET statement_timeout = 0;
SET lock_timeout = 0;
SET idle_in_transaction_session_timeout = 0;
SET transaction_timeout = 0;
SET client_encoding = 'UTF8';
SET standard_conforming_strings = on;
SELECT pg_catalog.set_config('search_path', '', false);
SET check_function_bodies = false;
SET xmloption = content;
SET client_min_messages = warning;
SET row_security = off;

--
-- Name: catalogue; Type: SCHEMA; Schema: -; Owner: -
--

CREATE SCHEMA catalogue;


--
-- Name: facts; Type: SCHEMA; Schema: -; Owner: -
--

CREATE SCHEMA facts;


--
-- Name: marts; Type: SCHEMA; Schema: -; Owner: -
--

CREATE SCHEMA marts;


--
-- Name: quality; Type: SCHEMA; Schema: -; Owner: -
--

CREATE SCHEMA quality;


SET default_tablespace = '';

SET default_table_access_method = heap;

--
-- Name: fact_window; Type: TABLE; Schema: catalogue; Owner: -
--

CREATE TABLE catalogue.fact_window (
    fact text NOT NULL,
    period_date date NOT NULL,
    owner text NOT NULL,
    computed_touch_id bigint,
    computed_at timestamp with time zone
);


--
-- Name: ingest; Type: TABLE; Schema: catalogue; Owner: -
--

CREATE TABLE catalogue.ingest (
    stream_id text NOT NULL,
    arrival_date date NOT NULL,
    fingerprint text NOT NULL,
    ingested_at timestamp with time zone NOT NULL,
    run_id text NOT NULL
);


--
-- Name: object; Type: TABLE; Schema: catalogue; Owner: -
--

CREATE TABLE catalogue.object (
    stream_id text NOT NULL,
    sha256 text NOT NULL,
    arrival_date date NOT NULL,
    first_seen_at timestamp with time zone NOT NULL,
    original_name text NOT NULL,
    path text NOT NULL,
    byte_count bigint NOT NULL,
    landed boolean DEFAULT false NOT NULL,
    purged_at timestamp with time zone,
    feed_columns text[],
    record_count bigint
);


--
-- Name: touched_period; Type: TABLE; Schema: catalogue; Owner: -
--

CREATE TABLE catalogue.touched_period (
    fact text NOT NULL,
    stream_id text NOT NULL,
    period_date date NOT NULL,
    touch_id bigint NOT NULL,
    touched_at timestamp with time zone DEFAULT now() NOT NULL
);


--
-- Name: pending_period; Type: VIEW; Schema: catalogue; Owner: -
--

CREATE VIEW catalogue.pending_period AS
 SELECT t.fact,
    t.period_date,
    max(t.touch_id) AS touch_id,
    bool_or((w.computed_touch_id IS NOT NULL)) AS computed_before
   FROM (catalogue.touched_period t
     LEFT JOIN catalogue.fact_window w ON (((w.fact = t.fact) AND (w.period_date = t.period_date))))
  WHERE (t.touch_id > COALESCE(w.computed_touch_id, (0)::bigint))
  GROUP BY t.fact, t.period_date;


--
-- Name: sighting; Type: TABLE; Schema: catalogue; Owner: -
--

CREATE TABLE catalogue.sighting (
    stream_id text NOT NULL,
    sha256 text NOT NULL,
    seen_at timestamp with time zone NOT NULL,
    original_name text NOT NULL
);


--
-- Name: stale_edge; Type: TABLE; Schema: catalogue; Owner: -
--

CREATE TABLE catalogue.stale_edge (
    event_date date NOT NULL,
    touch_id bigint NOT NULL
);


--
-- Name: stream; Type: TABLE; Schema: catalogue; Owner: -
--

CREATE TABLE catalogue.stream (
    stream_id text NOT NULL,
    kind text NOT NULL,
    provider_id text NOT NULL,
    provider_name text NOT NULL,
    authority_id text NOT NULL,
    authority_name text NOT NULL,
    zone text NOT NULL,
    licence text NOT NULL,
    contact text NOT NULL,
    rule_set text NOT NULL,
    vat_basis text,
    fingerprint text NOT NULL,
    max_silence interval,
    reports_use boolean
);


--
-- Name: stream_cover; Type: TABLE; Schema: catalogue; Owner: -
--

CREATE TABLE catalogue.stream_cover (
    stream_id text NOT NULL,
    arrival_date date NOT NULL,
    cover_at timestamp with time zone NOT NULL
);


--
-- Name: touch_id; Type: SEQUENCE; Schema: catalogue; Owner: -
--

CREATE SEQUENCE catalogue.touch_id
    START WITH 1
    INCREMENT BY 1
    NO MINVALUE
    NO MAXVALUE
    CACHE 1;


--
-- Name: charge_point; Type: TABLE; Schema: facts; Owner: -
--

CREATE TABLE facts.charge_point (
    charge_point_id text NOT NULL,
    provider_id text NOT NULL,
    authority_id text NOT NULL,
    stream_id text NOT NULL,
    location_id text,
    location_name text,
    device_id text,
    rated_power_kw numeric(12,4),
    latitude numeric(9,6),
    longitude numeric(9,6),
    valid_from timestamp with time zone NOT NULL,
    valid_to timestamp with time zone
);


--
-- Name: charge_point_edge; Type: TABLE; Schema: facts; Owner: -
--

CREATE TABLE facts.charge_point_edge (
    charge_point_id text NOT NULL,
    connector_id text NOT NULL,
    stream_id text NOT NULL,
    event_date date NOT NULL,
    entry_count bigint NOT NULL,
    first_event_at timestamp with time zone,
    last_event_at timestamp with time zone,
    last_state text,
    last_heard_at timestamp with time zone NOT NULL,
    arrived_at timestamp with time zone,
    source_file text,
    source_line bigint
);


--
-- Name: charge_point_month; Type: TABLE; Schema: facts; Owner: -
--

CREATE TABLE facts.charge_point_month (
    month_date date NOT NULL,
    provider_id text NOT NULL,
    authority_id text NOT NULL,
    power_class text NOT NULL,
    registered_count bigint NOT NULL,
    heard_from_count bigint NOT NULL,
    online_count bigint NOT NULL
);


--
-- Name: charge_point_status_day; Type: TABLE; Schema: facts; Owner: -
--

CREATE TABLE facts.charge_point_status_day (
    charge_point_id text NOT NULL,
    provider_id text NOT NULL,
    authority_id text NOT NULL,
    stream_id text NOT NULL,
    status_date date NOT NULL,
    day_seconds numeric(18,6) NOT NULL,
    available_seconds numeric(18,6) NOT NULL,
    blocked_seconds numeric(18,6) NOT NULL,
    charging_seconds numeric(18,6) NOT NULL,
    inoperative_seconds numeric(18,6) NOT NULL,
    outoforder_seconds numeric(18,6) NOT NULL,
    planned_seconds numeric(18,6) NOT NULL,
    removed_seconds numeric(18,6) NOT NULL,
    reserved_seconds numeric(18,6) NOT NULL,
    unknown_seconds numeric(18,6) NOT NULL,
    unreported_seconds numeric(18,6) NOT NULL,
    unobserved_seconds numeric(18,6) NOT NULL,
    event_count bigint NOT NULL,
    confirmation_count bigint NOT NULL,
    reports_use boolean NOT NULL,
    flags text[] NOT NULL,
    operational_pct numeric GENERATED ALWAYS AS (round((((100)::numeric * ((available_seconds + charging_seconds) + reserved_seconds)) / NULLIF((((day_seconds - unobserved_seconds) - planned_seconds) - removed_seconds), (0)::numeric)), 6)) STORED,
    operational_of_known_pct numeric GENERATED ALWAYS AS (round((((100)::numeric * ((available_seconds + charging_seconds) + reserved_seconds)) / NULLIF((((((day_seconds - unobserved_seconds) - planned_seconds) - removed_seconds) - unknown_seconds) - unreported_seconds), (0)::numeric)), 6)) STORED,
    charging_pct numeric GENERATED ALWAYS AS (
CASE
    WHEN reports_use THEN round((((100)::numeric * charging_seconds) / NULLIF((((day_seconds - unobserved_seconds) - planned_seconds) - removed_seconds), (0)::numeric)), 6)
    ELSE NULL::numeric
END) STORED,
    unknown_pct numeric GENERATED ALWAYS AS (round((((100)::numeric * (unknown_seconds + unreported_seconds)) / NULLIF((((day_seconds - unobserved_seconds) - planned_seconds) - removed_seconds), (0)::numeric)), 6)) STORED,
    CONSTRAINT charge_point_status_day_check CHECK ((day_seconds = ((((((((((available_seconds + blocked_seconds) + charging_seconds) + inoperative_seconds) + outoforder_seconds) + planned_seconds) + removed_seconds) + reserved_seconds) + unknown_seconds) + unreported_seconds) + unobserved_seconds)))
);


--
-- Name: charging_session; Type: TABLE; Schema: facts; Owner: -
--

CREATE TABLE facts.charging_session (
    session_id text NOT NULL,
    charge_point_id text NOT NULL,
    connector_id text,
    provider_id text NOT NULL,
    authority_id text NOT NULL,
    stream_id text NOT NULL,
    started_at timestamp with time zone NOT NULL,
    ended_at timestamp with time zone NOT NULL,
    start_date date NOT NULL,
    duration_seconds numeric(18,6) NOT NULL,
    energy_kwh numeric(12,4) NOT NULL,
    revenue numeric(12,4),
    currency text,
    flags text[] NOT NULL,
    rated_power_kw numeric(12,4),
    record_kind text NOT NULL,
    arrival_date date NOT NULL
);


--
-- Name: charging_session_day; Type: TABLE; Schema: facts; Owner: -
--

CREATE TABLE facts.charging_session_day (
    charge_point_id text NOT NULL,
    provider_id text NOT NULL,
    authority_id text NOT NULL,
    stream_id text NOT NULL,
    start_date date NOT NULL,
    currency text,
    session_count bigint NOT NULL,
    failed_session_count bigint NOT NULL,
    duration_seconds_min numeric(18,6),
    duration_seconds_mean numeric GENERATED ALWAYS AS (round((duration_seconds_total / (NULLIF(session_count, 0))::numeric), 6)) STORED,
    duration_seconds_max numeric(18,6),
    duration_seconds_total numeric(24,6) NOT NULL,
    energy_kwh_min numeric(12,4),
    energy_kwh_mean numeric GENERATED ALWAYS AS (round((energy_kwh_total / (NULLIF((session_count - failed_session_count), 0))::numeric), 6)) STORED,
    energy_kwh_max numeric(12,4),
    energy_kwh_total numeric(18,4) NOT NULL,
    revenue_count bigint NOT NULL,
    revenue_min numeric(12,4),
    revenue_mean numeric GENERATED ALWAYS AS (round((revenue_total / (NULLIF(revenue_count, 0))::numeric), 6)) STORED,
    revenue_max numeric(12,4),
    revenue_total numeric(18,4)
);


--
-- Name: charge_point_health_day; Type: TABLE; Schema: marts; Owner: -
--

CREATE TABLE marts.charge_point_health_day (
    status_date date,
    charge_point_id text,
    provider_id text,
    provider_name text,
    authority_id text,
    authority_name text,
    stream_id text,
    location_name text,
    power_class text,
    is_rapid boolean,
    day_seconds numeric(18,6),
    available_seconds numeric(18,6),
    blocked_seconds numeric(18,6),
    charging_seconds numeric(18,6),
    inoperative_seconds numeric(18,6),
    outoforder_seconds numeric(18,6),
    planned_seconds numeric(18,6),
    removed_seconds numeric(18,6),
    reserved_seconds numeric(18,6),
    unknown_seconds numeric(18,6),
    unreported_seconds numeric(18,6),
    unobserved_seconds numeric(18,6),
    event_count bigint,
    confirmation_count bigint,
    operational_pct numeric(9,6),
    operational_of_known_pct numeric(9,6),
    charging_pct numeric(9,6),
    unknown_pct numeric(9,6),
    uk_reliability_in_area_pct numeric(9,6),
    flags text[]
);


--
-- Name: charge_points_month; Type: TABLE; Schema: marts; Owner: -
--

CREATE TABLE marts.charge_points_month (
    month_date date,
    provider_id text,
    provider_name text,
    authority_id text,
    authority_name text,
    power_class text,
    registered_count bigint,
    heard_from_count bigint,
    online_count bigint
);


--
-- Name: data_quality_day; Type: TABLE; Schema: marts; Owner: -
--

CREATE TABLE marts.data_quality_day (
    arrival_date date,
    stream_id text,
    rows_in bigint,
    accepted bigint,
    quarantined bigint,
    quarantined_pct numeric(9,6),
    kind text,
    unmapped_status_count bigint,
    unmapped_status_words text,
    covers_until_at timestamp with time zone
);


--
-- Name: data_quality_rule_day; Type: TABLE; Schema: marts; Owner: -
--

CREATE TABLE marts.data_quality_rule_day (
    arrival_date date,
    stream_id text,
    rule_id text,
    severity text,
    message text,
    row_count bigint,
    row_pct numeric(9,6)
);


--
-- Name: disposition; Type: TABLE; Schema: quality; Owner: -
--

CREATE TABLE quality.disposition (
    stream_id text NOT NULL,
    arrival_date date NOT NULL,
    month_date date NOT NULL,
    in_facts bigint NOT NULL,
    open bigint NOT NULL,
    duplicates bigint NOT NULL,
    superseded bigint NOT NULL
);


--
-- Name: ingest_count; Type: TABLE; Schema: quality; Owner: -
--

CREATE TABLE quality.ingest_count (
    stream_id text NOT NULL,
    arrival_date date NOT NULL,
    rows_in bigint NOT NULL,
    accepted bigint NOT NULL,
    quarantined bigint NOT NULL,
    CONSTRAINT ingest_count_check CHECK ((rows_in = (accepted + quarantined)))
);


--
-- Name: status_disposition; Type: TABLE; Schema: quality; Owner: -
--

CREATE TABLE quality.status_disposition (
    stream_id text NOT NULL,
    arrival_date date NOT NULL,
    status_date date NOT NULL,
    in_facts bigint NOT NULL,
    duplicates bigint NOT NULL,
    superseded bigint NOT NULL
);


--
-- Name: reconciliation; Type: VIEW; Schema: quality; Owner: -
--

CREATE VIEW quality.reconciliation AS
 SELECT i.stream_id,
    i.arrival_date,
    i.rows_in,
    i.accepted,
    i.quarantined,
    (
        CASE
            WHEN (s.kind = 'locations'::text) THEN (i.accepted)::numeric
            ELSE COALESCE(d.in_facts, (0)::numeric)
        END)::bigint AS in_facts,
    (COALESCE(d.open, (0)::numeric))::bigint AS open,
    (COALESCE(d.duplicates, (0)::numeric))::bigint AS duplicates,
    (COALESCE(d.superseded, (0)::numeric))::bigint AS superseded,
    (
        CASE
            WHEN (s.kind = 'locations'::text) THEN (0)::numeric
            ELSE ((i.accepted)::numeric - COALESCE((((d.in_facts + d.open) + d.duplicates) + d.superseded), (0)::numeric))
        END)::bigint AS unresolved
   FROM ((quality.ingest_count i
     LEFT JOIN catalogue.stream s USING (stream_id))
     LEFT JOIN ( SELECT placed.stream_id,
            placed.arrival_date,
            sum(placed.in_facts) AS in_facts,
            sum(placed.open) AS open,
            sum(placed.duplicates) AS duplicates,
            sum(placed.superseded) AS superseded
           FROM ( SELECT disposition.stream_id,
                    disposition.arrival_date,
                    disposition.in_facts,
                    disposition.open,
                    disposition.duplicates,
                    disposition.superseded
                   FROM quality.disposition
                UNION ALL
                 SELECT status_disposition.stream_id,
                    status_disposition.arrival_date,
                    status_disposition.in_facts,
                    0,
                    status_disposition.duplicates,
                    status_disposition.superseded
                   FROM quality.status_disposition) placed
          GROUP BY placed.stream_id, placed.arrival_date) d USING (stream_id, arrival_date));


--
-- Name: data_reconciliation_day; Type: VIEW; Schema: marts; Owner: -
--

CREATE VIEW marts.data_reconciliation_day AS
 WITH __dbt__cte__stg_reconciliation AS (
         WITH source AS (
                 SELECT reconciliation.stream_id,
                    reconciliation.arrival_date,
                    reconciliation.rows_in,
                    reconciliation.accepted,
                    reconciliation.quarantined,
                    reconciliation.in_facts,
                    reconciliation.open,
                    reconciliation.duplicates,
                    reconciliation.superseded,
                    reconciliation.unresolved
                   FROM quality.reconciliation
                ), renamed AS (
                 SELECT source.stream_id,
                    source.arrival_date,
                    source.rows_in,
                    source.accepted,
                    source.quarantined,
                    source.in_facts,
                    source.open,
                    source.duplicates,
                    source.superseded,
                    source.unresolved
                   FROM source
                )
         SELECT renamed.stream_id,
            renamed.arrival_date,
            renamed.rows_in,
            renamed.accepted,
            renamed.quarantined,
            renamed.in_facts,
            renamed.open,
            renamed.duplicates,
            renamed.superseded,
            renamed.unresolved
           FROM renamed
        )
 SELECT stream_id,
    arrival_date,
    rows_in,
    accepted,
    quarantined,
    in_facts,
    open,
    duplicates,
    superseded,
    unresolved
   FROM __dbt__cte__stg_reconciliation;


--
-- Name: dim_authority; Type: VIEW; Schema: marts; Owner: -
--

CREATE VIEW marts.dim_authority AS
 WITH __dbt__cte__stg_stream AS (
         WITH source AS (
                 SELECT stream.stream_id,
                    stream.kind,
                    stream.provider_id,
                    stream.provider_name,
                    stream.authority_id,
                    stream.authority_name,
                    stream.zone,
                    stream.licence,
                    stream.contact,
                    stream.rule_set,
                    stream.vat_basis,
                    stream.fingerprint,
                    stream.max_silence,
                    stream.reports_use
                   FROM catalogue.stream
                ), renamed AS (
                 SELECT source.stream_id,
                    source.kind,
                    source.provider_id,
                    source.provider_name,
                    source.authority_id,
                    source.authority_name,
                    source.zone,
                    source.licence
                   FROM source
                )
         SELECT renamed.stream_id,
            renamed.kind,
            renamed.provider_id,
            renamed.provider_name,
            renamed.authority_id,
            renamed.authority_name,
            renamed.zone,
            renamed.licence
           FROM renamed
        ), __dbt__cte__int_parties AS (
         WITH streams AS (
                 SELECT __dbt__cte__stg_stream.stream_id,
                    __dbt__cte__stg_stream.kind,
                    __dbt__cte__stg_stream.provider_id,
                    __dbt__cte__stg_stream.provider_name,
                    __dbt__cte__stg_stream.authority_id,
                    __dbt__cte__stg_stream.authority_name,
                    __dbt__cte__stg_stream.zone,
                    __dbt__cte__stg_stream.licence
                   FROM __dbt__cte__stg_stream
                )
         SELECT streams.provider_id,
            streams.authority_id,
            min(streams.provider_name) AS provider_name,
            min(streams.authority_name) AS authority_name
           FROM streams
          GROUP BY streams.provider_id, streams.authority_id
        )
 SELECT authority_id,
    min(authority_name) AS authority_name
   FROM __dbt__cte__int_parties
  GROUP BY authority_id;


--
-- Name: dim_charge_point; Type: VIEW; Schema: marts; Owner: -
--

CREATE VIEW marts.dim_charge_point AS
 WITH __dbt__cte__stg_charging_session AS (
         WITH source AS (
                 SELECT charging_session.session_id,
                    charging_session.charge_point_id,
                    charging_session.connector_id,
                    charging_session.provider_id,
                    charging_session.authority_id,
                    charging_session.stream_id,
                    charging_session.started_at,
                    charging_session.ended_at,
                    charging_session.start_date,
                    charging_session.duration_seconds,
                    charging_session.energy_kwh,
                    charging_session.revenue,
                    charging_session.currency,
                    charging_session.flags,
                    charging_session.rated_power_kw,
                    charging_session.record_kind,
                    charging_session.arrival_date
                   FROM facts.charging_session
                ), renamed AS (
                 SELECT source.session_id,
                    source.charge_point_id,
                    source.provider_id,
                    source.authority_id,
                    source.stream_id,
                    source.start_date,
                    source.rated_power_kw,
                    source.currency,
                    source.flags
                   FROM source
                )
         SELECT renamed.session_id,
            renamed.charge_point_id,
            renamed.provider_id,
            renamed.authority_id,
            renamed.stream_id,
            renamed.start_date,
            renamed.rated_power_kw,
            renamed.currency,
            renamed.flags
           FROM renamed
        ), __dbt__cte__stg_charge_point_status_day AS (
         WITH source AS (
                 SELECT charge_point_status_day.charge_point_id,
                    charge_point_status_day.provider_id,
                    charge_point_status_day.authority_id,
                    charge_point_status_day.stream_id,
                    charge_point_status_day.status_date,
                    charge_point_status_day.day_seconds,
                    charge_point_status_day.available_seconds,
                    charge_point_status_day.blocked_seconds,
                    charge_point_status_day.charging_seconds,
                    charge_point_status_day.inoperative_seconds,
                    charge_point_status_day.outoforder_seconds,
                    charge_point_status_day.planned_seconds,
                    charge_point_status_day.removed_seconds,
                    charge_point_status_day.reserved_seconds,
                    charge_point_status_day.unknown_seconds,
                    charge_point_status_day.unreported_seconds,
                    charge_point_status_day.unobserved_seconds,
                    charge_point_status_day.event_count,
                    charge_point_status_day.confirmation_count,
                    charge_point_status_day.reports_use,
                    charge_point_status_day.flags,
                    charge_point_status_day.operational_pct,
                    charge_point_status_day.operational_of_known_pct,
                    charge_point_status_day.charging_pct,
                    charge_point_status_day.unknown_pct
                   FROM facts.charge_point_status_day
                ), renamed AS (
                 SELECT source.charge_point_id,
                    source.provider_id,
                    source.authority_id,
                    source.stream_id,
                    source.status_date,
                    source.day_seconds,
                    source.available_seconds,
                    source.blocked_seconds,
                    source.charging_seconds,
                    source.inoperative_seconds,
                    source.outoforder_seconds,
                    source.planned_seconds,
                    source.removed_seconds,
                    source.reserved_seconds,
                    source.unknown_seconds,
                    source.unreported_seconds,
                    source.unobserved_seconds,
                    source.event_count,
                    source.confirmation_count,
                    source.reports_use,
                    source.flags,
                    source.operational_pct,
                    source.operational_of_known_pct,
                    source.charging_pct,
                    source.unknown_pct
                   FROM source
                )
         SELECT renamed.charge_point_id,
            renamed.provider_id,
            renamed.authority_id,
            renamed.stream_id,
            renamed.status_date,
            renamed.day_seconds,
            renamed.available_seconds,
            renamed.blocked_seconds,
            renamed.charging_seconds,
            renamed.inoperative_seconds,
            renamed.outoforder_seconds,
            renamed.planned_seconds,
            renamed.removed_seconds,
            renamed.reserved_seconds,
            renamed.unknown_seconds,
            renamed.unreported_seconds,
            renamed.unobserved_seconds,
            renamed.event_count,
            renamed.confirmation_count,
            renamed.reports_use,
            renamed.flags,
            renamed.operational_pct,
            renamed.operational_of_known_pct,
            renamed.charging_pct,
            renamed.unknown_pct
           FROM renamed
        ), __dbt__cte__stg_charge_point AS (
         WITH source AS (
                 SELECT charge_point.charge_point_id,
                    charge_point.provider_id,
                    charge_point.authority_id,
                    charge_point.stream_id,
                    charge_point.location_id,
                    charge_point.location_name,
                    charge_point.device_id,
                    charge_point.rated_power_kw,
                    charge_point.latitude,
                    charge_point.longitude,
                    charge_point.valid_from,
                    charge_point.valid_to
                   FROM facts.charge_point
                ), renamed AS (
                 SELECT source.charge_point_id,
                    source.provider_id,
                    source.authority_id,
                    source.location_id,
                    source.location_name,
                    source.device_id,
                    source.rated_power_kw,
                    source.latitude,
                    source.longitude,
                    source.valid_from,
                    source.valid_to
                   FROM source
                )
         SELECT renamed.charge_point_id,
            renamed.provider_id,
            renamed.authority_id,
            renamed.location_id,
            renamed.location_name,
            renamed.device_id,
            renamed.rated_power_kw,
            renamed.latitude,
            renamed.longitude,
            renamed.valid_from,
            renamed.valid_to
           FROM renamed
        ), __dbt__cte__int_charge_point_rating AS (
         WITH registry AS (
                 SELECT __dbt__cte__stg_charge_point.charge_point_id,
                    __dbt__cte__stg_charge_point.provider_id,
                    __dbt__cte__stg_charge_point.authority_id,
                    __dbt__cte__stg_charge_point.location_id,
                    __dbt__cte__stg_charge_point.location_name,
                    __dbt__cte__stg_charge_point.device_id,
                    __dbt__cte__stg_charge_point.rated_power_kw,
                    __dbt__cte__stg_charge_point.latitude,
                    __dbt__cte__stg_charge_point.longitude,
                    __dbt__cte__stg_charge_point.valid_from,
                    __dbt__cte__stg_charge_point.valid_to
                   FROM __dbt__cte__stg_charge_point
                  WHERE (__dbt__cte__stg_charge_point.valid_to IS NULL)
                ), devices AS (
                 SELECT registry_1.provider_id,
                    registry_1.device_id,
                    max(registry_1.rated_power_kw) AS device_power_kw
                   FROM registry registry_1
                  GROUP BY registry_1.provider_id, registry_1.device_id
                )
         SELECT registry.charge_point_id,
            registry.location_id,
            registry.location_name,
            registry.device_id,
            registry.rated_power_kw,
                CASE
                    WHEN (registry.rated_power_kw < (8)::numeric) THEN '0-8'::text
                    WHEN (registry.rated_power_kw < (50)::numeric) THEN '8-50'::text
                    WHEN (registry.rated_power_kw < (150)::numeric) THEN '50-150'::text
                    WHEN (registry.rated_power_kw >= (150)::numeric) THEN '150+'::text
                    ELSE 'unknown'::text
                END AS power_class,
            (devices.device_power_kw >= (50)::numeric) AS is_rapid
           FROM (registry
             LEFT JOIN devices ON (((registry.provider_id = devices.provider_id) AND (registry.device_id = devices.device_id))))
        ), sessions AS (
         SELECT __dbt__cte__stg_charging_session.session_id,
            __dbt__cte__stg_charging_session.charge_point_id,
            __dbt__cte__stg_charging_session.provider_id,
            __dbt__cte__stg_charging_session.authority_id,
            __dbt__cte__stg_charging_session.stream_id,
            __dbt__cte__stg_charging_session.start_date,
            __dbt__cte__stg_charging_session.rated_power_kw,
            __dbt__cte__stg_charging_session.currency,
            __dbt__cte__stg_charging_session.flags
           FROM __dbt__cte__stg_charging_session
        ), days AS (
         SELECT __dbt__cte__stg_charge_point_status_day.charge_point_id,
            __dbt__cte__stg_charge_point_status_day.provider_id,
            __dbt__cte__stg_charge_point_status_day.authority_id,
            __dbt__cte__stg_charge_point_status_day.stream_id,
            __dbt__cte__stg_charge_point_status_day.status_date,
            __dbt__cte__stg_charge_point_status_day.day_seconds,
            __dbt__cte__stg_charge_point_status_day.available_seconds,
            __dbt__cte__stg_charge_point_status_day.blocked_seconds,
            __dbt__cte__stg_charge_point_status_day.charging_seconds,
            __dbt__cte__stg_charge_point_status_day.inoperative_seconds,
            __dbt__cte__stg_charge_point_status_day.outoforder_seconds,
            __dbt__cte__stg_charge_point_status_day.planned_seconds,
            __dbt__cte__stg_charge_point_status_day.removed_seconds,
            __dbt__cte__stg_charge_point_status_day.reserved_seconds,
            __dbt__cte__stg_charge_point_status_day.unknown_seconds,
            __dbt__cte__stg_charge_point_status_day.unreported_seconds,
            __dbt__cte__stg_charge_point_status_day.unobserved_seconds,
            __dbt__cte__stg_charge_point_status_day.event_count,
            __dbt__cte__stg_charge_point_status_day.confirmation_count,
            __dbt__cte__stg_charge_point_status_day.reports_use,
            __dbt__cte__stg_charge_point_status_day.flags,
            __dbt__cte__stg_charge_point_status_day.operational_pct,
            __dbt__cte__stg_charge_point_status_day.operational_of_known_pct,
            __dbt__cte__stg_charge_point_status_day.charging_pct,
            __dbt__cte__stg_charge_point_status_day.unknown_pct
           FROM __dbt__cte__stg_charge_point_status_day
        ), ratings AS (
         SELECT __dbt__cte__int_charge_point_rating.charge_point_id,
            __dbt__cte__int_charge_point_rating.location_id,
            __dbt__cte__int_charge_point_rating.location_name,
            __dbt__cte__int_charge_point_rating.device_id,
            __dbt__cte__int_charge_point_rating.rated_power_kw,
            __dbt__cte__int_charge_point_rating.power_class,
            __dbt__cte__int_charge_point_rating.is_rapid
           FROM __dbt__cte__int_charge_point_rating
        ), registry AS (
         SELECT __dbt__cte__stg_charge_point.charge_point_id,
            __dbt__cte__stg_charge_point.provider_id,
            __dbt__cte__stg_charge_point.authority_id,
            __dbt__cte__stg_charge_point.location_id,
            __dbt__cte__stg_charge_point.location_name,
            __dbt__cte__stg_charge_point.device_id,
            __dbt__cte__stg_charge_point.rated_power_kw,
            __dbt__cte__stg_charge_point.latitude,
            __dbt__cte__stg_charge_point.longitude,
            __dbt__cte__stg_charge_point.valid_from,
            __dbt__cte__stg_charge_point.valid_to
           FROM __dbt__cte__stg_charge_point
          WHERE (__dbt__cte__stg_charge_point.valid_to IS NULL)
        ), words AS (
         SELECT sessions.charge_point_id,
            sessions.provider_id,
            sessions.authority_id,
            sessions.start_date AS session_date,
            NULL::date AS status_date,
            sessions.rated_power_kw
           FROM sessions
        UNION ALL
         SELECT days.charge_point_id,
            days.provider_id,
            days.authority_id,
            NULL::date AS session_date,
                CASE
                    WHEN (days.unobserved_seconds < days.day_seconds) THEN days.status_date
                    ELSE NULL::date
                END AS status_date,
            NULL::numeric AS rated_power_kw
           FROM days
        UNION ALL
         SELECT registry.charge_point_id,
            registry.provider_id,
            registry.authority_id,
            NULL::date AS date,
            NULL::date AS date,
            registry.rated_power_kw
           FROM registry
        ), charge_points AS (
         SELECT words.charge_point_id,
            min(words.provider_id) AS provider_id,
            min(words.authority_id) AS authority_id,
            min(words.session_date) AS first_session_date,
            max(words.session_date) AS last_session_date,
            min(words.status_date) AS first_status_date,
            max(words.status_date) AS last_status_date,
            max(words.rated_power_kw) AS rated_power_kw
           FROM words
          GROUP BY words.charge_point_id
        )
 SELECT charge_points.charge_point_id,
    charge_points.provider_id,
    charge_points.authority_id,
    charge_points.first_session_date,
    charge_points.last_session_date,
    COALESCE(ratings.rated_power_kw, charge_points.rated_power_kw) AS rated_power_kw,
    NULLIF(
        CASE
            WHEN (COALESCE(ratings.rated_power_kw, charge_points.rated_power_kw) < (8)::numeric) THEN '0-8'::text
            WHEN (COALESCE(ratings.rated_power_kw, charge_points.rated_power_kw) < (50)::numeric) THEN '8-50'::text
            WHEN (COALESCE(ratings.rated_power_kw, charge_points.rated_power_kw) < (150)::numeric) THEN '50-150'::text
            WHEN (COALESCE(ratings.rated_power_kw, charge_points.rated_power_kw) >= (150)::numeric) THEN '150+'::text
            ELSE 'unknown'::text
        END, 'unknown'::text) AS power_class,
    charge_points.first_status_date,
    charge_points.last_status_date,
    ratings.location_id,
    ratings.location_name,
    ratings.device_id,
    COALESCE(ratings.is_rapid, (charge_points.rated_power_kw >= (50)::numeric)) AS is_rapid
   FROM (charge_points
     LEFT JOIN ratings ON ((charge_points.charge_point_id = ratings.charge_point_id)));


--
-- Name: dim_date; Type: VIEW; Schema: marts; Owner: -
--

CREATE VIEW marts.dim_date AS
 WITH days AS (
         SELECT (series.day)::date AS date_day
           FROM generate_series(('2010-01-01'::date)::timestamp with time zone, (((date_trunc('year'::text, (CURRENT_DATE)::timestamp with time zone) + '2 years -1 days'::interval))::date)::timestamp with time zone, '1 day'::interval) series(day)
        )
 SELECT date_day,
    (date_trunc('month'::text, (date_day)::timestamp with time zone))::date AS month_date,
    (EXTRACT(isoyear FROM date_day))::integer AS iso_year,
    (EXTRACT(week FROM date_day))::integer AS iso_week,
    (EXTRACT(isodow FROM date_day))::integer AS iso_weekday,
    (EXTRACT(isodow FROM date_day) >= (6)::numeric) AS is_weekend
   FROM days;


--
-- Name: dim_provider; Type: VIEW; Schema: marts; Owner: -
--

CREATE VIEW marts.dim_provider AS
 WITH __dbt__cte__stg_stream AS (
         WITH source AS (
                 SELECT stream.stream_id,
                    stream.kind,
                    stream.provider_id,
                    stream.provider_name,
                    stream.authority_id,
                    stream.authority_name,
                    stream.zone,
                    stream.licence,
                    stream.contact,
                    stream.rule_set,
                    stream.vat_basis,
                    stream.fingerprint,
                    stream.max_silence,
                    stream.reports_use
                   FROM catalogue.stream
                ), renamed AS (
                 SELECT source.stream_id,
                    source.kind,
                    source.provider_id,
                    source.provider_name,
                    source.authority_id,
                    source.authority_name,
                    source.zone,
                    source.licence
                   FROM source
                )
         SELECT renamed.stream_id,
            renamed.kind,
            renamed.provider_id,
            renamed.provider_name,
            renamed.authority_id,
            renamed.authority_name,
            renamed.zone,
            renamed.licence
           FROM renamed
        ), __dbt__cte__int_parties AS (
         WITH streams AS (
                 SELECT __dbt__cte__stg_stream.stream_id,
                    __dbt__cte__stg_stream.kind,
                    __dbt__cte__stg_stream.provider_id,
                    __dbt__cte__stg_stream.provider_name,
                    __dbt__cte__stg_stream.authority_id,
                    __dbt__cte__stg_stream.authority_name,
                    __dbt__cte__stg_stream.zone,
                    __dbt__cte__stg_stream.licence
                   FROM __dbt__cte__stg_stream
                )
         SELECT streams.provider_id,
            streams.authority_id,
            min(streams.provider_name) AS provider_name,
            min(streams.authority_name) AS authority_name
           FROM streams
          GROUP BY streams.provider_id, streams.authority_id
        )
 SELECT provider_id,
    min(provider_name) AS provider_name
   FROM __dbt__cte__int_parties
  GROUP BY provider_id;


--
-- Name: network_overview_month; Type: TABLE; Schema: marts; Owner: -
--

CREATE TABLE marts.network_overview_month (
    month_date date,
    provider_id text,
    provider_name text,
    authority_id text,
    authority_name text,
    currency text,
    charge_point_count bigint,
    session_count bigint,
    failed_session_count bigint,
    failed_session_pct numeric(9,6),
    flagged_session_count bigint,
    duration_seconds_total numeric(24,6),
    duration_seconds_mean numeric(24,6),
    energy_kwh_total numeric(18,4),
    energy_kwh_mean numeric(24,6),
    revenue_count bigint,
    revenue_total numeric(18,4),
    revenue_mean numeric(24,6),
    status_charge_point_count bigint,
    status_denominator_seconds numeric(24,6),
    operational_pct numeric(9,6),
    operational_of_known_pct numeric(9,6),
    down_pct numeric(9,6),
    charging_pct numeric(9,6),
    unknown_pct numeric(9,6),
    uk_reliability_in_area_pct numeric(9,6)
);


--
-- Name: session_statistics_day; Type: TABLE; Schema: marts; Owner: -
--

CREATE TABLE marts.session_statistics_day (
    start_date date,
    stream_id text,
    charge_point_id text,
    provider_id text,
    provider_name text,
    authority_id text,
    authority_name text,
    currency text,
    session_count bigint,
    failed_session_count bigint,
    failed_session_pct numeric(9,6),
    duration_seconds_min numeric(24,6),
    duration_seconds_mean numeric(24,6),
    duration_seconds_max numeric(24,6),
    duration_seconds_total numeric(24,6),
    energy_kwh_min numeric(12,4),
    energy_kwh_mean numeric(24,6),
    energy_kwh_max numeric(12,4),
    energy_kwh_total numeric(18,4),
    revenue_count bigint,
    revenue_min numeric(12,4),
    revenue_mean numeric(24,6),
    revenue_max numeric(12,4),
    revenue_total numeric(18,4)
);


--
-- Name: quarantine; Type: TABLE; Schema: quality; Owner: -
--

CREATE TABLE quality.quarantine (
    stream_id text NOT NULL,
    arrival_date date NOT NULL,
    source_file text NOT NULL,
    source_line bigint NOT NULL,
    reasons text[] NOT NULL,
    raw text
);


--
-- Name: rule; Type: TABLE; Schema: quality; Owner: -
--

CREATE TABLE quality.rule (
    rule_id text NOT NULL,
    severity text NOT NULL,
    message text NOT NULL,
    source text NOT NULL
);


--
-- Name: rule_count; Type: TABLE; Schema: quality; Owner: -
--

CREATE TABLE quality.rule_count (
    stream_id text NOT NULL,
    arrival_date date NOT NULL,
    rule_id text NOT NULL,
    severity text NOT NULL,
    row_count bigint NOT NULL
);


--
-- Name: unmapped_status; Type: TABLE; Schema: quality; Owner: -
--

CREATE TABLE quality.unmapped_status (
    stream_id text NOT NULL,
    arrival_date date NOT NULL,
    source_status text NOT NULL,
    row_count bigint NOT NULL
);


--
-- Data for Name: fact_window; Type: TABLE DATA; Schema: catalogue; Owner: -
--

INSERT INTO catalogue.fact_window VALUES ('charge_point_status', '2026-10-01', '4045796a-3370-4c3a-a71f-5da75587784d:0', 21, '2026-11-30 15:42:27.866737+00');
INSERT INTO catalogue.fact_window VALUES ('charge_point_status', '2026-10-02', '4045796a-3370-4c3a-a71f-5da75587784d:0', 21, '2026-11-30 15:42:27.866737+00');
INSERT INTO catalogue.fact_window VALUES ('charge_point_status', '2026-10-03', '4045796a-3370-4c3a-a71f-5da75587784d:0', 21, '2026-11-30 15:42:27.866737+00');
INSERT INTO catalogue.fact_window VALUES ('charge_point_status', '2026-10-04', '4045796a-3370-4c3a-a71f-5da75587784d:0', 21, '2026-11-30 15:42:27.866737+00');
INSERT INTO catalogue.fact_window VALUES ('charge_point_status', '2026-10-05', '4045796a-3370-4c3a-a71f-5da75587784d:0', 21, '2026-11-30 15:42:27.866737+00');
INSERT INTO catalogue.fact_window VALUES ('charge_point_status', '2026-10-06', '4045796a-3370-4c3a-a71f-5da75587784d:0', 21, '2026-11-30 15:42:27.866737+00');
INSERT INTO catalogue.fact_window VALUES ('charge_point_status', '2026-10-07', '4045796a-3370-4c3a-a71f-5da75587784d:0', 21, '2026-11-30 15:42:27.866737+00');
INSERT INTO catalogue.fact_window VALUES ('charge_point_status', '2026-10-08', '4045796a-3370-4c3a-a71f-5da75587784d:0', 21, '2026-11-30 15:42:27.866737+00');
INSERT INTO catalogue.fact_window VALUES ('charge_point_status', '2026-10-09', '4045796a-3370-4c3a-a71f-5da75587784d:0', 21, '2026-11-30 15:42:27.866737+00');
INSERT INTO catalogue.fact_window VALUES ('charge_point_status', '2026-10-10', '4045796a-3370-4c3a-a71f-5da75587784d:0', 21, '2026-11-30 15:42:27.866737+00');
INSERT INTO catalogue.fact_window VALUES ('charge_point_status', '2026-10-11', '4045796a-3370-4c3a-a71f-5da75587784d:0', 21, '2026-11-30 15:42:27.866737+00');
INSERT INTO catalogue.fact_window VALUES ('charge_point_status', '2026-10-12', '4045796a-3370-4c3a-a71f-5da75587784d:0', 21, '2026-11-30 15:42:27.866737+00');
INSERT INTO catalogue.fact_window VALUES ('charging_session', '2026-09-01', '94bf9494-3255-4174-9eb8-6949c25161a5:0', 22, '2026-11-30 15:44:02.15036+00');
INSERT INTO catalogue.fact_window VALUES ('charging_session', '2026-10-01', '94bf9494-3255-4174-9eb8-6949c25161a5:0', 22, '2026-11-30 15:44:02.15036+00');
INSERT INTO catalogue.fact_window VALUES ('charge_point_month', '2026-09-01', '94bf9494-3255-4174-9eb8-6949c25161a5:0', 22, '2026-11-30 15:44:03.878379+00');
INSERT INTO catalogue.fact_window VALUES ('charge_point_month', '2026-10-01', '94bf9494-3255-4174-9eb8-6949c25161a5:0', 22, '2026-11-30 15:44:03.878379+00');


--
-- Data for Name: ingest; Type: TABLE DATA; Schema: catalogue; Owner: -
--

INSERT INTO catalogue.ingest VALUES ('mill_locations', '2026-10-01', '56e5c473b1de7955', '2026-11-30 15:41:21.062528+00', '4b33481b-eee1-4465-b79d-58c5f24f26ea');
INSERT INTO catalogue.ingest VALUES ('mill_sessions', '2026-10-05', '359904c06a822f30', '2026-11-30 15:41:23.230458+00', '4b33481b-eee1-4465-b79d-58c5f24f26ea');
INSERT INTO catalogue.ingest VALUES ('mill_sessions', '2026-10-12', '3575066f79320005', '2026-11-30 15:41:23.230458+00', '4b33481b-eee1-4465-b79d-58c5f24f26ea');
INSERT INTO catalogue.ingest VALUES ('mill_status', '2026-10-04', 'a7c91a7d2bf905bb', '2026-11-30 15:41:24.127625+00', '4b33481b-eee1-4465-b79d-58c5f24f26ea');


--
-- Data for Name: object; Type: TABLE DATA; Schema: catalogue; Owner: -
--

INSERT INTO catalogue.object VALUES ('mill_locations', '8f3e13bb1cd0aad15bdb27d7bec065d08ebab3135ec0778d8107232371516054', '2026-10-01', '2026-10-01 06:00:00+00', 'mill_locations_1.csv', 'raw/stream_id=mill_locations/date=2026-10-01/8f3e13bb1cd0aad15bdb27d7bec065d08ebab3135ec0778d8107232371516054.csv', 82, true, NULL, '{cp,site,kW,since}', 2);
INSERT INTO catalogue.object VALUES ('mill_sessions', 'e7fd9a70a03c26930aea7bb746ba3f27361b4a84d7e1015111f0e5918642273f', '2026-10-05', '2026-10-05 06:00:00+00', 'mill_sessions_1.csv', 'raw/stream_id=mill_sessions/date=2026-10-05/e7fd9a70a03c26930aea7bb746ba3f27361b4a84d7e1015111f0e5918642273f.csv', 325, true, NULL, '{id,cp,start,end,kWh,cost,token}', 5);
INSERT INTO catalogue.object VALUES ('mill_sessions', 'b6c9f6c19e561c526e70d10ccac0f7075af4acd650328bfcc35008ad6adec038', '2026-10-12', '2026-10-12 06:00:00+00', 'mill_sessions_2.csv', 'raw/stream_id=mill_sessions/date=2026-10-12/b6c9f6c19e561c526e70d10ccac0f7075af4acd650328bfcc35008ad6adec038.csv', 209, true, NULL, '{id,cp,start,end,kWh,cost,token}', 3);
INSERT INTO catalogue.object VALUES ('mill_status', '46b0b0a4218e69b15069037ba57c5e722a58f1abd4ddeda52dde6fc31f62063e', '2026-10-04', '2026-10-04 06:00:00+00', 'mill_status_1.csv', 'raw/stream_id=mill_status/date=2026-10-04/46b0b0a4218e69b15069037ba57c5e722a58f1abd4ddeda52dde6fc31f62063e.csv', 245, true, NULL, '{cp,word,at}', 7);


--
-- Data for Name: sighting; Type: TABLE DATA; Schema: catalogue; Owner: -
--

INSERT INTO catalogue.sighting VALUES ('mill_locations', '8f3e13bb1cd0aad15bdb27d7bec065d08ebab3135ec0778d8107232371516054', '2026-10-01 06:00:00+00', 'mill_locations_1.csv');
INSERT INTO catalogue.sighting VALUES ('mill_sessions', 'e7fd9a70a03c26930aea7bb746ba3f27361b4a84d7e1015111f0e5918642273f', '2026-10-05 06:00:00+00', 'mill_sessions_1.csv');
INSERT INTO catalogue.sighting VALUES ('mill_sessions', 'b6c9f6c19e561c526e70d10ccac0f7075af4acd650328bfcc35008ad6adec038', '2026-10-12 06:00:00+00', 'mill_sessions_2.csv');
INSERT INTO catalogue.sighting VALUES ('mill_status', '46b0b0a4218e69b15069037ba57c5e722a58f1abd4ddeda52dde6fc31f62063e', '2026-10-04 06:00:00+00', 'mill_status_1.csv');


--
-- Data for Name: stale_edge; Type: TABLE DATA; Schema: catalogue; Owner: -
--



--
-- Data for Name: stream; Type: TABLE DATA; Schema: catalogue; Owner: -
--

INSERT INTO catalogue.stream VALUES ('mill_locations', 'locations', 'GB*MIL', 'Mill Power', 'X-MILL', 'Mill District (invented)', 'Europe/London', 'CC0-1.0 (invented)', 'data@mill.example', 'default', NULL, '44d8e833be73be48', NULL, NULL);
INSERT INTO catalogue.stream VALUES ('mill_sessions', 'sessions', 'GB*MIL', 'Mill Power', 'X-MILL', 'Mill District (invented)', 'Europe/London', 'CC0-1.0 (invented)', 'data@mill.example', 'default', 'excluded', '3c8f4d3f93051b10', NULL, NULL);
INSERT INTO catalogue.stream VALUES ('mill_status', 'status', 'GB*MIL', 'Mill Power', 'X-MILL', 'Mill District (invented)', 'Europe/London', 'CC0-1.0 (invented)', 'data@mill.example', 'default', NULL, 'f330c217ed76e49e', '7 days', true);


--
-- Data for Name: stream_cover; Type: TABLE DATA; Schema: catalogue; Owner: -
--

INSERT INTO catalogue.stream_cover VALUES ('mill_status', '2026-10-04', '2026-10-03 20:00:00+00');


--
-- Data for Name: touched_period; Type: TABLE DATA; Schema: catalogue; Owner: -
--

INSERT INTO catalogue.touched_period VALUES ('charge_point_month', 'mill_sessions', '2026-09-01', 5, '2026-11-30 15:35:20.298352+00');
INSERT INTO catalogue.touched_period VALUES ('charge_point_month', 'mill_sessions', '2026-10-01', 6, '2026-11-30 15:35:20.298352+00');
INSERT INTO catalogue.touched_period VALUES ('charging_session', 'mill_sessions', '2026-09-01', 7, '2026-11-30 15:35:20.298352+00');
INSERT INTO catalogue.touched_period VALUES ('charging_session', 'mill_sessions', '2026-10-01', 8, '2026-11-30 15:35:20.298352+00');
INSERT INTO catalogue.touched_period VALUES ('charge_point_status', 'mill_status', '2026-10-01', 15, '2026-11-30 15:35:21.60455+00');
INSERT INTO catalogue.touched_period VALUES ('charge_point_status', 'mill_status', '2026-10-02', 16, '2026-11-30 15:35:21.60455+00');
INSERT INTO catalogue.touched_period VALUES ('charge_point_status', 'mill_status', '2026-10-03', 17, '2026-11-30 15:35:21.60455+00');
INSERT INTO catalogue.touched_period VALUES ('charge_point_month', 'charge_point_status', '2026-10-01', 22, '2026-11-30 15:42:27.866737+00');


--
-- Data for Name: charge_point; Type: TABLE DATA; Schema: facts; Owner: -
--

INSERT INTO facts.charge_point VALUES ('GB*MIL/M1', 'GB*MIL', 'X-MILL', 'mill_locations', 'Mill', NULL, 'M1', 50.0000, NULL, NULL, '2026-10-01 00:00:00+00', NULL);
INSERT INTO facts.charge_point VALUES ('GB*MIL/M2', 'GB*MIL', 'X-MILL', 'mill_locations', 'Mill', NULL, 'M2', 7.4000, NULL, NULL, '2026-10-01 00:00:00+00', NULL);


--
-- Data for Name: charge_point_edge; Type: TABLE DATA; Schema: facts; Owner: -
--

INSERT INTO facts.charge_point_edge VALUES ('GB*MIL/M1', '', 'mill_status', '2026-10-02', 2, '2026-10-02 10:00:00+00', '2026-10-02 10:45:00+00', 'AVAILABLE', '2026-10-02 10:45:00+00', '2026-10-04 06:00:00+00', 'mill_status_1.csv', 5);
INSERT INTO facts.charge_point_edge VALUES ('GB*MIL/M2', '', 'mill_status', '2026-10-02', 1, '2026-10-02 12:00:00+00', '2026-10-02 12:00:00+00', 'OUTOFORDER', '2026-10-02 12:00:00+00', '2026-10-04 06:00:00+00', 'mill_status_1.csv', 6);
INSERT INTO facts.charge_point_edge VALUES ('GB*MIL/M2', '', 'mill_status', '2026-10-03', 2, '2026-10-03 09:00:00+00', '2026-10-03 20:00:00+00', 'AVAILABLE', '2026-10-03 20:00:00+00', '2026-10-04 06:00:00+00', 'mill_status_1.csv', 8);
INSERT INTO facts.charge_point_edge VALUES ('GB*MIL/M1', '', 'mill_status', '2026-10-01', 1, '2026-10-01 00:00:00+00', '2026-10-01 00:00:00+00', 'AVAILABLE', '2026-10-01 00:00:00+00', '2026-10-04 06:00:00+00', 'mill_status_1.csv', 2);
INSERT INTO facts.charge_point_edge VALUES ('GB*MIL/M2', '', 'mill_status', '2026-10-01', 1, '2026-10-01 06:00:00+00', '2026-10-01 06:00:00+00', 'AVAILABLE', '2026-10-01 06:00:00+00', '2026-10-04 06:00:00+00', 'mill_status_1.csv', 3);


--
-- Data for Name: charge_point_month; Type: TABLE DATA; Schema: facts; Owner: -
--

INSERT INTO facts.charge_point_month VALUES ('2026-09-01', 'GB*MIL', 'X-MILL', '50-150', 1, 1, 1);
INSERT INTO facts.charge_point_month VALUES ('2026-10-01', 'GB*MIL', 'X-MILL', '50-150', 1, 1, 1);
INSERT INTO facts.charge_point_month VALUES ('2026-10-01', 'GB*MIL', 'X-MILL', 'unknown', 0, 1, 1);
INSERT INTO facts.charge_point_month VALUES ('2026-10-01', 'GB*MIL', 'X-MILL', '0-8', 1, 1, 1);


--
-- Data for Name: charge_point_status_day; Type: TABLE DATA; Schema: facts; Owner: -
--

INSERT INTO facts.charge_point_status_day VALUES ('GB*MIL/M1', 'GB*MIL', 'X-MILL', 'mill_status', '2026-10-04', 86400.000000, 0.000000, 0.000000, 0.000000, 0.000000, 0.000000, 0.000000, 0.000000, 0.000000, 0.000000, 86400.000000, 0.000000, 0, 0, true, '{}', DEFAULT, DEFAULT, DEFAULT, DEFAULT);
INSERT INTO facts.charge_point_status_day VALUES ('GB*MIL/M1', 'GB*MIL', 'X-MILL', 'mill_status', '2026-10-05', 86400.000000, 0.000000, 0.000000, 0.000000, 0.000000, 0.000000, 0.000000, 0.000000, 0.000000, 0.000000, 86400.000000, 0.000000, 0, 0, true, '{}', DEFAULT, DEFAULT, DEFAULT, DEFAULT);
INSERT INTO facts.charge_point_status_day VALUES ('GB*MIL/M1', 'GB*MIL', 'X-MILL', 'mill_status', '2026-10-06', 86400.000000, 0.000000, 0.000000, 0.000000, 0.000000, 0.000000, 0.000000, 0.000000, 0.000000, 0.000000, 86400.000000, 0.000000, 0, 0, true, '{}', DEFAULT, DEFAULT, DEFAULT, DEFAULT);
INSERT INTO facts.charge_point_status_day VALUES ('GB*MIL/M1', 'GB*MIL', 'X-MILL', 'mill_status', '2026-10-03', 86400.000000, 75600.000000, 0.000000, 0.000000, 0.000000, 0.000000, 0.000000, 0.000000, 0.000000, 0.000000, 10800.000000, 0.000000, 0, 0, true, '{}', DEFAULT, DEFAULT, DEFAULT, DEFAULT);
INSERT INTO facts.charge_point_status_day VALUES ('GB*MIL/M1', 'GB*MIL', 'X-MILL', 'mill_status', '2026-10-10', 86400.000000, 0.000000, 0.000000, 0.000000, 0.000000, 0.000000, 0.000000, 0.000000, 0.000000, 0.000000, 86400.000000, 0.000000, 0, 0, true, '{}', DEFAULT, DEFAULT, DEFAULT, DEFAULT);
INSERT INTO facts.charge_point_status_day VALUES ('GB*MIL/M1', 'GB*MIL', 'X-MILL', 'mill_status', '2026-10-11', 86400.000000, 0.000000, 0.000000, 0.000000, 0.000000, 0.000000, 0.000000, 0.000000, 0.000000, 0.000000, 86400.000000, 0.000000, 0, 0, true, '{}', DEFAULT, DEFAULT, DEFAULT, DEFAULT);
INSERT INTO facts.charge_point_status_day VALUES ('GB*MIL/M1', 'GB*MIL', 'X-MILL', 'mill_status', '2026-10-12', 86400.000000, 0.000000, 0.000000, 0.000000, 0.000000, 0.000000, 0.000000, 0.000000, 0.000000, 0.000000, 86400.000000, 0.000000, 0, 0, true, '{}', DEFAULT, DEFAULT, DEFAULT, DEFAULT);
INSERT INTO facts.charge_point_status_day VALUES ('GB*MIL/M1', 'GB*MIL', 'X-MILL', 'mill_status', '2026-10-07', 86400.000000, 0.000000, 0.000000, 0.000000, 0.000000, 0.000000, 0.000000, 0.000000, 0.000000, 0.000000, 86400.000000, 0.000000, 0, 0, true, '{}', DEFAULT, DEFAULT, DEFAULT, DEFAULT);
INSERT INTO facts.charge_point_status_day VALUES ('GB*MIL/M1', 'GB*MIL', 'X-MILL', 'mill_status', '2026-10-08', 86400.000000, 0.000000, 0.000000, 0.000000, 0.000000, 0.000000, 0.000000, 0.000000, 0.000000, 0.000000, 86400.000000, 0.000000, 0, 0, true, '{}', DEFAULT, DEFAULT, DEFAULT, DEFAULT);
INSERT INTO facts.charge_point_status_day VALUES ('GB*MIL/M1', 'GB*MIL', 'X-MILL', 'mill_status', '2026-10-01', 86400.000000, 82800.000000, 0.000000, 0.000000, 0.000000, 0.000000, 0.000000, 0.000000, 0.000000, 0.000000, 0.000000, 3600.000000, 1, 0, true, '{}', DEFAULT, DEFAULT, DEFAULT, DEFAULT);
INSERT INTO facts.charge_point_status_day VALUES ('GB*MIL/M1', 'GB*MIL', 'X-MILL', 'mill_status', '2026-10-02', 86400.000000, 83700.000000, 0.000000, 2700.000000, 0.000000, 0.000000, 0.000000, 0.000000, 0.000000, 0.000000, 0.000000, 0.000000, 2, 0, true, '{}', DEFAULT, DEFAULT, DEFAULT, DEFAULT);
INSERT INTO facts.charge_point_status_day VALUES ('GB*MIL/M1', 'GB*MIL', 'X-MILL', 'mill_status', '2026-10-09', 86400.000000, 0.000000, 0.000000, 0.000000, 0.000000, 0.000000, 0.000000, 0.000000, 0.000000, 0.000000, 86400.000000, 0.000000, 0, 0, true, '{}', DEFAULT, DEFAULT, DEFAULT, DEFAULT);
INSERT INTO facts.charge_point_status_day VALUES ('GB*MIL/M2', 'GB*MIL', 'X-MILL', 'mill_status', '2026-10-01', 86400.000000, 61200.000000, 0.000000, 0.000000, 0.000000, 0.000000, 0.000000, 0.000000, 0.000000, 0.000000, 0.000000, 25200.000000, 1, 0, true, '{}', DEFAULT, DEFAULT, DEFAULT, DEFAULT);
INSERT INTO facts.charge_point_status_day VALUES ('GB*MIL/M2', 'GB*MIL', 'X-MILL', 'mill_status', '2026-10-06', 86400.000000, 0.000000, 0.000000, 0.000000, 0.000000, 0.000000, 0.000000, 0.000000, 0.000000, 0.000000, 86400.000000, 0.000000, 0, 0, true, '{}', DEFAULT, DEFAULT, DEFAULT, DEFAULT);
INSERT INTO facts.charge_point_status_day VALUES ('GB*MIL/M2', 'GB*MIL', 'X-MILL', 'mill_status', '2026-10-09', 86400.000000, 0.000000, 0.000000, 0.000000, 0.000000, 0.000000, 0.000000, 0.000000, 0.000000, 0.000000, 86400.000000, 0.000000, 0, 0, true, '{}', DEFAULT, DEFAULT, DEFAULT, DEFAULT);
INSERT INTO facts.charge_point_status_day VALUES ('GB*MIL/M2', 'GB*MIL', 'X-MILL', 'mill_status', '2026-10-11', 86400.000000, 0.000000, 0.000000, 0.000000, 0.000000, 0.000000, 0.000000, 0.000000, 0.000000, 0.000000, 86400.000000, 0.000000, 0, 0, true, '{}', DEFAULT, DEFAULT, DEFAULT, DEFAULT);
INSERT INTO facts.charge_point_status_day VALUES ('GB*MIL/M2', 'GB*MIL', 'X-MILL', 'mill_status', '2026-10-04', 86400.000000, 0.000000, 0.000000, 0.000000, 0.000000, 0.000000, 0.000000, 0.000000, 0.000000, 0.000000, 86400.000000, 0.000000, 0, 0, true, '{}', DEFAULT, DEFAULT, DEFAULT, DEFAULT);
INSERT INTO facts.charge_point_status_day VALUES ('GB*MIL/M2', 'GB*MIL', 'X-MILL', 'mill_status', '2026-10-07', 86400.000000, 0.000000, 0.000000, 0.000000, 0.000000, 0.000000, 0.000000, 0.000000, 0.000000, 0.000000, 86400.000000, 0.000000, 0, 0, true, '{}', DEFAULT, DEFAULT, DEFAULT, DEFAULT);
INSERT INTO facts.charge_point_status_day VALUES ('GB*MIL/M2', 'GB*MIL', 'X-MILL', 'mill_status', '2026-10-10', 86400.000000, 0.000000, 0.000000, 0.000000, 0.000000, 0.000000, 0.000000, 0.000000, 0.000000, 0.000000, 86400.000000, 0.000000, 0, 0, true, '{}', DEFAULT, DEFAULT, DEFAULT, DEFAULT);
INSERT INTO facts.charge_point_status_day VALUES ('GB*MIL/M2', 'GB*MIL', 'X-MILL', 'mill_status', '2026-10-12', 86400.000000, 0.000000, 0.000000, 0.000000, 0.000000, 0.000000, 0.000000, 0.000000, 0.000000, 0.000000, 86400.000000, 0.000000, 0, 0, true, '{}', DEFAULT, DEFAULT, DEFAULT, DEFAULT);
INSERT INTO facts.charge_point_status_day VALUES ('GB*MIL/M2', 'GB*MIL', 'X-MILL', 'mill_status', '2026-10-02', 86400.000000, 46800.000000, 0.000000, 0.000000, 0.000000, 39600.000000, 0.000000, 0.000000, 0.000000, 0.000000, 0.000000, 0.000000, 1, 0, true, '{}', DEFAULT, DEFAULT, DEFAULT, DEFAULT);
INSERT INTO facts.charge_point_status_day VALUES ('GB*MIL/M2', 'GB*MIL', 'X-MILL', 'mill_status', '2026-10-03', 86400.000000, 0.000000, 0.000000, 0.000000, 0.000000, 36000.000000, 0.000000, 0.000000, 0.000000, 39600.000000, 10800.000000, 0.000000, 2, 0, true, '{unmapped_status}', DEFAULT, DEFAULT, DEFAULT, DEFAULT);
INSERT INTO facts.charge_point_status_day VALUES ('GB*MIL/M2', 'GB*MIL', 'X-MILL', 'mill_status', '2026-10-08', 86400.000000, 0.000000, 0.000000, 0.000000, 0.000000, 0.000000, 0.000000, 0.000000, 0.000000, 0.000000, 86400.000000, 0.000000, 0, 0, true, '{}', DEFAULT, DEFAULT, DEFAULT, DEFAULT);
INSERT INTO facts.charge_point_status_day VALUES ('GB*MIL/M2', 'GB*MIL', 'X-MILL', 'mill_status', '2026-10-05', 86400.000000, 0.000000, 0.000000, 0.000000, 0.000000, 0.000000, 0.000000, 0.000000, 0.000000, 0.000000, 86400.000000, 0.000000, 0, 0, true, '{}', DEFAULT, DEFAULT, DEFAULT, DEFAULT);


--
-- Data for Name: charging_session; Type: TABLE DATA; Schema: facts; Owner: -
--

INSERT INTO facts.charging_session VALUES ('S3', 'GB*MIL/M2', NULL, 'GB*MIL', 'X-MILL', 'mill_sessions', '2026-10-03 08:00:00+00', '2026-10-03 12:00:00+00', '2026-10-03', 14400.000000, 25.5000, 9.0000, 'GBP', '{}', NULL, 'session', '2026-10-12');
INSERT INTO facts.charging_session VALUES ('S1', 'GB*MIL/M1', NULL, 'GB*MIL', 'X-MILL', 'mill_sessions', '2026-09-30 22:30:00+00', '2026-09-30 23:30:00+00', '2026-09-30', 3600.000000, 20.5000, 8.2000, 'GBP', '{}', NULL, 'session', '2026-10-05');
INSERT INTO facts.charging_session VALUES ('S2', 'GB*MIL/M1', NULL, 'GB*MIL', 'X-MILL', 'mill_sessions', '2026-10-02 10:00:00+00', '2026-10-02 10:40:00+00', '2026-10-02', 2400.000000, 18.0000, 7.2000, 'GBP', '{}', NULL, 'session', '2026-10-05');
INSERT INTO facts.charging_session VALUES ('S5', 'GB*MIL/M9', NULL, 'GB*MIL', 'X-MILL', 'mill_sessions', '2026-10-09 10:00:00+00', '2026-10-09 10:30:00+00', '2026-10-09', 1800.000000, 11.0000, 5.0000, 'GBP', '{S12}', NULL, 'session', '2026-10-12');


--
-- Data for Name: charging_session_day; Type: TABLE DATA; Schema: facts; Owner: -
--

INSERT INTO facts.charging_session_day VALUES ('GB*MIL/M1', 'GB*MIL', 'X-MILL', 'mill_sessions', '2026-09-30', 'GBP', 1, 0, 3600.000000, DEFAULT, 3600.000000, 3600.000000, 20.5000, DEFAULT, 20.5000, 20.5000, 1, 8.2000, DEFAULT, 8.2000, 8.2000);
INSERT INTO facts.charging_session_day VALUES ('GB*MIL/M1', 'GB*MIL', 'X-MILL', 'mill_sessions', '2026-10-02', 'GBP', 1, 0, 2400.000000, DEFAULT, 2400.000000, 2400.000000, 18.0000, DEFAULT, 18.0000, 18.0000, 1, 7.2000, DEFAULT, 7.2000, 7.2000);
INSERT INTO facts.charging_session_day VALUES ('GB*MIL/M9', 'GB*MIL', 'X-MILL', 'mill_sessions', '2026-10-09', 'GBP', 1, 0, 1800.000000, DEFAULT, 1800.000000, 1800.000000, 11.0000, DEFAULT, 11.0000, 11.0000, 1, 5.0000, DEFAULT, 5.0000, 5.0000);
INSERT INTO facts.charging_session_day VALUES ('GB*MIL/M2', 'GB*MIL', 'X-MILL', 'mill_sessions', '2026-10-03', 'GBP', 1, 0, 14400.000000, DEFAULT, 14400.000000, 14400.000000, 25.5000, DEFAULT, 25.5000, 25.5000, 1, 9.0000, DEFAULT, 9.0000, 9.0000);


--
-- Data for Name: charge_point_health_day; Type: TABLE DATA; Schema: marts; Owner: -
--

INSERT INTO marts.charge_point_health_day VALUES ('2026-10-12', 'GB*MIL/M2', 'GB*MIL', 'Mill Power', 'X-MILL', 'Mill District (invented)', 'mill_status', NULL, '0-8', false, 86400.000000, 0.000000, 0.000000, 0.000000, 0.000000, 0.000000, 0.000000, 0.000000, 0.000000, 0.000000, 86400.000000, 0.000000, 0, 0, 0.000000, NULL, 0.000000, 100.000000, NULL, '{}');
INSERT INTO marts.charge_point_health_day VALUES ('2026-10-12', 'GB*MIL/M1', 'GB*MIL', 'Mill Power', 'X-MILL', 'Mill District (invented)', 'mill_status', NULL, '50-150', true, 86400.000000, 0.000000, 0.000000, 0.000000, 0.000000, 0.000000, 0.000000, 0.000000, 0.000000, 0.000000, 86400.000000, 0.000000, 0, 0, 0.000000, NULL, 0.000000, 100.000000, 100.000000, '{}');
INSERT INTO marts.charge_point_health_day VALUES ('2026-10-11', 'GB*MIL/M2', 'GB*MIL', 'Mill Power', 'X-MILL', 'Mill District (invented)', 'mill_status', NULL, '0-8', false, 86400.000000, 0.000000, 0.000000, 0.000000, 0.000000, 0.000000, 0.000000, 0.000000, 0.000000, 0.000000, 86400.000000, 0.000000, 0, 0, 0.000000, NULL, 0.000000, 100.000000, NULL, '{}');
INSERT INTO marts.charge_point_health_day VALUES ('2026-10-11', 'GB*MIL/M1', 'GB*MIL', 'Mill Power', 'X-MILL', 'Mill District (invented)', 'mill_status', NULL, '50-150', true, 86400.000000, 0.000000, 0.000000, 0.000000, 0.000000, 0.000000, 0.000000, 0.000000, 0.000000, 0.000000, 86400.000000, 0.000000, 0, 0, 0.000000, NULL, 0.000000, 100.000000, 100.000000, '{}');
INSERT INTO marts.charge_point_health_day VALUES ('2026-10-10', 'GB*MIL/M2', 'GB*MIL', 'Mill Power', 'X-MILL', 'Mill District (invented)', 'mill_status', NULL, '0-8', false, 86400.000000, 0.000000, 0.000000, 0.000000, 0.000000, 0.000000, 0.000000, 0.000000, 0.000000, 0.000000, 86400.000000, 0.000000, 0, 0, 0.000000, NULL, 0.000000, 100.000000, NULL, '{}');
INSERT INTO marts.charge_point_health_day VALUES ('2026-10-10', 'GB*MIL/M1', 'GB*MIL', 'Mill Power', 'X-MILL', 'Mill District (invented)', 'mill_status', NULL, '50-150', true, 86400.000000, 0.000000, 0.000000, 0.000000, 0.000000, 0.000000, 0.000000, 0.000000, 0.000000, 0.000000, 86400.000000, 0.000000, 0, 0, 0.000000, NULL, 0.000000, 100.000000, 100.000000, '{}');
INSERT INTO marts.charge_point_health_day VALUES ('2026-10-09', 'GB*MIL/M2', 'GB*MIL', 'Mill Power', 'X-MILL', 'Mill District (invented)', 'mill_status', NULL, '0-8', false, 86400.000000, 0.000000, 0.000000, 0.000000, 0.000000, 0.000000, 0.000000, 0.000000, 0.000000, 0.000000, 86400.000000, 0.000000, 0, 0, 0.000000, NULL, 0.000000, 100.000000, NULL, '{}');
INSERT INTO marts.charge_point_health_day VALUES ('2026-10-09', 'GB*MIL/M1', 'GB*MIL', 'Mill Power', 'X-MILL', 'Mill District (invented)', 'mill_status', NULL, '50-150', true, 86400.000000, 0.000000, 0.000000, 0.000000, 0.000000, 0.000000, 0.000000, 0.000000, 0.000000, 0.000000, 86400.000000, 0.000000, 0, 0, 0.000000, NULL, 0.000000, 100.000000, 100.000000, '{}');
INSERT INTO marts.charge_point_health_day VALUES ('2026-10-08', 'GB*MIL/M2', 'GB*MIL', 'Mill Power', 'X-MILL', 'Mill District (invented)', 'mill_status', NULL, '0-8', false, 86400.000000, 0.000000, 0.000000, 0.000000, 0.000000, 0.000000, 0.000000, 0.000000, 0.000000, 0.000000, 86400.000000, 0.000000, 0, 0, 0.000000, NULL, 0.000000, 100.000000, NULL, '{}');
INSERT INTO marts.charge_point_health_day VALUES ('2026-10-08', 'GB*MIL/M1', 'GB*MIL', 'Mill Power', 'X-MILL', 'Mill District (invented)', 'mill_status', NULL, '50-150', true, 86400.000000, 0.000000, 0.000000, 0.000000, 0.000000, 0.000000, 0.000000, 0.000000, 0.000000, 0.000000, 86400.000000, 0.000000, 0, 0, 0.000000, NULL, 0.000000, 100.000000, 100.000000, '{}');
INSERT INTO marts.charge_point_health_day VALUES ('2026-10-07', 'GB*MIL/M2', 'GB*MIL', 'Mill Power', 'X-MILL', 'Mill District (invented)', 'mill_status', NULL, '0-8', false, 86400.000000, 0.000000, 0.000000, 0.000000, 0.000000, 0.000000, 0.000000, 0.000000, 0.000000, 0.000000, 86400.000000, 0.000000, 0, 0, 0.000000, NULL, 0.000000, 100.000000, NULL, '{}');
INSERT INTO marts.charge_point_health_day VALUES ('2026-10-07', 'GB*MIL/M1', 'GB*MIL', 'Mill Power', 'X-MILL', 'Mill District (invented)', 'mill_status', NULL, '50-150', true, 86400.000000, 0.000000, 0.000000, 0.000000, 0.000000, 0.000000, 0.000000, 0.000000, 0.000000, 0.000000, 86400.000000, 0.000000, 0, 0, 0.000000, NULL, 0.000000, 100.000000, 100.000000, '{}');
INSERT INTO marts.charge_point_health_day VALUES ('2026-10-06', 'GB*MIL/M2', 'GB*MIL', 'Mill Power', 'X-MILL', 'Mill District (invented)', 'mill_status', NULL, '0-8', false, 86400.000000, 0.000000, 0.000000, 0.000000, 0.000000, 0.000000, 0.000000, 0.000000, 0.000000, 0.000000, 86400.000000, 0.000000, 0, 0, 0.000000, NULL, 0.000000, 100.000000, NULL, '{}');
INSERT INTO marts.charge_point_health_day VALUES ('2026-10-06', 'GB*MIL/M1', 'GB*MIL', 'Mill Power', 'X-MILL', 'Mill District (invented)', 'mill_status', NULL, '50-150', true, 86400.000000, 0.000000, 0.000000, 0.000000, 0.000000, 0.000000, 0.000000, 0.000000, 0.000000, 0.000000, 86400.000000, 0.000000, 0, 0, 0.000000, NULL, 0.000000, 100.000000, 100.000000, '{}');
INSERT INTO marts.charge_point_health_day VALUES ('2026-10-05', 'GB*MIL/M2', 'GB*MIL', 'Mill Power', 'X-MILL', 'Mill District (invented)', 'mill_status', NULL, '0-8', false, 86400.000000, 0.000000, 0.000000, 0.000000, 0.000000, 0.000000, 0.000000, 0.000000, 0.000000, 0.000000, 86400.000000, 0.000000, 0, 0, 0.000000, NULL, 0.000000, 100.000000, NULL, '{}');
INSERT INTO marts.charge_point_health_day VALUES ('2026-10-05', 'GB*MIL/M1', 'GB*MIL', 'Mill Power', 'X-MILL', 'Mill District (invented)', 'mill_status', NULL, '50-150', true, 86400.000000, 0.000000, 0.000000, 0.000000, 0.000000, 0.000000, 0.000000, 0.000000, 0.000000, 0.000000, 86400.000000, 0.000000, 0, 0, 0.000000, NULL, 0.000000, 100.000000, 100.000000, '{}');
INSERT INTO marts.charge_point_health_day VALUES ('2026-10-04', 'GB*MIL/M2', 'GB*MIL', 'Mill Power', 'X-MILL', 'Mill District (invented)', 'mill_status', NULL, '0-8', false, 86400.000000, 0.000000, 0.000000, 0.000000, 0.000000, 0.000000, 0.000000, 0.000000, 0.000000, 0.000000, 86400.000000, 0.000000, 0, 0, 0.000000, NULL, 0.000000, 100.000000, NULL, '{}');
INSERT INTO marts.charge_point_health_day VALUES ('2026-10-04', 'GB*MIL/M1', 'GB*MIL', 'Mill Power', 'X-MILL', 'Mill District (invented)', 'mill_status', NULL, '50-150', true, 86400.000000, 0.000000, 0.000000, 0.000000, 0.000000, 0.000000, 0.000000, 0.000000, 0.000000, 0.000000, 86400.000000, 0.000000, 0, 0, 0.000000, NULL, 0.000000, 100.000000, 100.000000, '{}');
INSERT INTO marts.charge_point_health_day VALUES ('2026-10-03', 'GB*MIL/M2', 'GB*MIL', 'Mill Power', 'X-MILL', 'Mill District (invented)', 'mill_status', NULL, '0-8', false, 86400.000000, 0.000000, 0.000000, 0.000000, 0.000000, 36000.000000, 0.000000, 0.000000, 0.000000, 39600.000000, 10800.000000, 0.000000, 2, 0, 0.000000, 0.000000, 0.000000, 58.333333, NULL, '{unmapped_status}');
INSERT INTO marts.charge_point_health_day VALUES ('2026-10-03', 'GB*MIL/M1', 'GB*MIL', 'Mill Power', 'X-MILL', 'Mill District (invented)', 'mill_status', NULL, '50-150', true, 86400.000000, 75600.000000, 0.000000, 0.000000, 0.000000, 0.000000, 0.000000, 0.000000, 0.000000, 0.000000, 10800.000000, 0.000000, 0, 0, 87.500000, 100.000000, 0.000000, 12.500000, 100.000000, '{}');
INSERT INTO marts.charge_point_health_day VALUES ('2026-10-02', 'GB*MIL/M2', 'GB*MIL', 'Mill Power', 'X-MILL', 'Mill District (invented)', 'mill_status', NULL, '0-8', false, 86400.000000, 46800.000000, 0.000000, 0.000000, 0.000000, 39600.000000, 0.000000, 0.000000, 0.000000, 0.000000, 0.000000, 0.000000, 1, 0, 54.166667, 54.166667, 0.000000, 0.000000, NULL, '{}');
INSERT INTO marts.charge_point_health_day VALUES ('2026-10-02', 'GB*MIL/M1', 'GB*MIL', 'Mill Power', 'X-MILL', 'Mill District (invented)', 'mill_status', NULL, '50-150', true, 86400.000000, 83700.000000, 0.000000, 2700.000000, 0.000000, 0.000000, 0.000000, 0.000000, 0.000000, 0.000000, 0.000000, 0.000000, 2, 0, 100.000000, 100.000000, 3.125000, 0.000000, 100.000000, '{}');
INSERT INTO marts.charge_point_health_day VALUES ('2026-10-01', 'GB*MIL/M2', 'GB*MIL', 'Mill Power', 'X-MILL', 'Mill District (invented)', 'mill_status', NULL, '0-8', false, 86400.000000, 61200.000000, 0.000000, 0.000000, 0.000000, 0.000000, 0.000000, 0.000000, 0.000000, 0.000000, 0.000000, 25200.000000, 1, 0, 100.000000, 100.000000, 0.000000, 0.000000, NULL, '{}');
INSERT INTO marts.charge_point_health_day VALUES ('2026-10-01', 'GB*MIL/M1', 'GB*MIL', 'Mill Power', 'X-MILL', 'Mill District (invented)', 'mill_status', NULL, '50-150', true, 86400.000000, 82800.000000, 0.000000, 0.000000, 0.000000, 0.000000, 0.000000, 0.000000, 0.000000, 0.000000, 0.000000, 3600.000000, 1, 0, 100.000000, 100.000000, 0.000000, 0.000000, 100.000000, '{}');


--
-- Data for Name: charge_points_month; Type: TABLE DATA; Schema: marts; Owner: -
--

INSERT INTO marts.charge_points_month VALUES ('2026-10-01', 'GB*MIL', 'Mill Power', 'X-MILL', 'Mill District (invented)', '0-8', 1, 1, 1);
INSERT INTO marts.charge_points_month VALUES ('2026-10-01', 'GB*MIL', 'Mill Power', 'X-MILL', 'Mill District (invented)', 'unknown', 0, 1, 1);
INSERT INTO marts.charge_points_month VALUES ('2026-10-01', 'GB*MIL', 'Mill Power', 'X-MILL', 'Mill District (invented)', '50-150', 1, 1, 1);
INSERT INTO marts.charge_points_month VALUES ('2026-09-01', 'GB*MIL', 'Mill Power', 'X-MILL', 'Mill District (invented)', '50-150', 1, 1, 1);


--
-- Data for Name: data_quality_day; Type: TABLE DATA; Schema: marts; Owner: -
--

INSERT INTO marts.data_quality_day VALUES ('2026-10-04', 'mill_status', 7, 7, 0, 0.000000, 'status', 1, 'WEIRD', '2026-10-03 20:00:00+00');
INSERT INTO marts.data_quality_day VALUES ('2026-10-05', 'mill_sessions', 5, 4, 1, 20.000000, 'sessions', NULL, NULL, NULL);
INSERT INTO marts.data_quality_day VALUES ('2026-10-12', 'mill_sessions', 3, 2, 1, 33.333333, 'sessions', NULL, NULL, NULL);
INSERT INTO marts.data_quality_day VALUES ('2026-10-01', 'mill_locations', 2, 2, 0, 0.000000, 'locations', NULL, NULL, NULL);


--
-- Data for Name: data_quality_rule_day; Type: TABLE DATA; Schema: marts; Owner: -
--

INSERT INTO marts.data_quality_rule_day VALUES ('2026-10-05', 'mill_sessions', 'S09', 'flag', 'unusually short or long', 1, 20.000000);
INSERT INTO marts.data_quality_rule_day VALUES ('2026-10-05', 'mill_sessions', 'S02', 'reject', 'the end is not after the start', 1, 20.000000);
INSERT INTO marts.data_quality_rule_day VALUES ('2026-10-12', 'mill_sessions', 'S08', 'flag', 'unusually little or much energy', 1, 33.333333);
INSERT INTO marts.data_quality_rule_day VALUES ('2026-10-12', 'mill_sessions', 'S03', 'reject', 'energy is missing or negative', 1, 33.333333);
INSERT INTO marts.data_quality_rule_day VALUES ('2026-10-04', 'mill_status', 'E03', 'flag', 'no vocabulary knows the status, so it counts as UNKNOWN', 1, 14.285714);


--
-- Data for Name: network_overview_month; Type: TABLE DATA; Schema: marts; Owner: -
--

INSERT INTO marts.network_overview_month VALUES ('2026-10-01', 'GB*MIL', 'Mill Power', 'X-MILL', 'Mill District (invented)', 'GBP', 3, 3, 0, 0.000000, 1, 18600.000000, 6200.000000, 54.5000, 18.166667, 3, 21.2000, 7.066667, 2, 2044800.000000, 17.253521, 82.352941, 3.697183, 0.132042, 79.049296, 100.000000);
INSERT INTO marts.network_overview_month VALUES ('2026-09-01', 'GB*MIL', 'Mill Power', 'X-MILL', 'Mill District (invented)', 'GBP', 1, 1, 0, 0.000000, 0, 3600.000000, 3600.000000, 20.5000, 20.500000, 1, 8.2000, 8.200000, 0, NULL, NULL, NULL, NULL, NULL, NULL, NULL);


--
-- Data for Name: session_statistics_day; Type: TABLE DATA; Schema: marts; Owner: -
--

INSERT INTO marts.session_statistics_day VALUES ('2026-10-09', 'mill_sessions', 'GB*MIL/M9', 'GB*MIL', 'Mill Power', 'X-MILL', 'Mill District (invented)', 'GBP', 1, 0, 0.000000, 1800.000000, 1800.000000, 1800.000000, 1800.000000, 11.0000, 11.000000, 11.0000, 11.0000, 1, 5.0000, 5.000000, 5.0000, 5.0000);
INSERT INTO marts.session_statistics_day VALUES ('2026-10-03', 'mill_sessions', 'GB*MIL/M2', 'GB*MIL', 'Mill Power', 'X-MILL', 'Mill District (invented)', 'GBP', 1, 0, 0.000000, 14400.000000, 14400.000000, 14400.000000, 14400.000000, 25.5000, 25.500000, 25.5000, 25.5000, 1, 9.0000, 9.000000, 9.0000, 9.0000);
INSERT INTO marts.session_statistics_day VALUES ('2026-10-02', 'mill_sessions', 'GB*MIL/M1', 'GB*MIL', 'Mill Power', 'X-MILL', 'Mill District (invented)', 'GBP', 1, 0, 0.000000, 2400.000000, 2400.000000, 2400.000000, 2400.000000, 18.0000, 18.000000, 18.0000, 18.0000, 1, 7.2000, 7.200000, 7.2000, 7.2000);
INSERT INTO marts.session_statistics_day VALUES ('2026-09-30', 'mill_sessions', 'GB*MIL/M1', 'GB*MIL', 'Mill Power', 'X-MILL', 'Mill District (invented)', 'GBP', 1, 0, 0.000000, 3600.000000, 3600.000000, 3600.000000, 3600.000000, 20.5000, 20.500000, 20.5000, 20.5000, 1, 8.2000, 8.200000, 8.2000, 8.2000);


--
-- Data for Name: disposition; Type: TABLE DATA; Schema: quality; Owner: -
--

INSERT INTO quality.disposition VALUES ('mill_sessions', '2026-10-05', '2026-10-01', 1, 0, 1, 1);
INSERT INTO quality.disposition VALUES ('mill_sessions', '2026-10-05', '2026-09-01', 1, 0, 0, 0);
INSERT INTO quality.disposition VALUES ('mill_sessions', '2026-10-12', '2026-10-01', 2, 0, 0, 0);


--
-- Data for Name: ingest_count; Type: TABLE DATA; Schema: quality; Owner: -
--

INSERT INTO quality.ingest_count VALUES ('mill_locations', '2026-10-01', 2, 2, 0);
INSERT INTO quality.ingest_count VALUES ('mill_sessions', '2026-10-05', 5, 4, 1);
INSERT INTO quality.ingest_count VALUES ('mill_sessions', '2026-10-12', 3, 2, 1);
INSERT INTO quality.ingest_count VALUES ('mill_status', '2026-10-04', 7, 7, 0);


--
-- Data for Name: quarantine; Type: TABLE DATA; Schema: quality; Owner: -
--

INSERT INTO quality.quarantine VALUES ('mill_sessions', '2026-10-05', 'mill_sessions_1.csv', 6, '{S02}', 'S4,M2,2026-10-03T18:00:00Z,2026-10-03T17:00:00Z,5,2,edb1252ec5b3d150b14c');
INSERT INTO quality.quarantine VALUES ('mill_sessions', '2026-10-12', 'mill_sessions_2.csv', 3, '{S03}', 'S2,M1,2026-10-02T10:00:00Z,2026-10-02T10:40:00Z,-18,-7.20,81295771ecb0ff54cd1e');


--
-- Data for Name: rule; Type: TABLE DATA; Schema: quality; Owner: -
--

INSERT INTO quality.rule VALUES ('S11', 'flag', 'overlaps another session on the same connector', 'OCPI');
INSERT INTO quality.rule VALUES ('S12', 'flag', 'the charge point is not in its provider''s registry', 'Atlas');
INSERT INTO quality.rule VALUES ('E04', 'flag', 'more than 6 changes within an hour', 'ours');
INSERT INTO quality.rule VALUES ('E05', 'flag', 'the charge point is not in its provider''s registry', 'ours');
INSERT INTO quality.rule VALUES ('D01', 'reject', 'the record can''t be decoded', 'ours');
INSERT INTO quality.rule VALUES ('D02', 'reject', 'the file lacks a field that the stream''s expressions read', 'ours');
INSERT INTO quality.rule VALUES ('S01', 'reject', 'charge point or start is missing or unreadable, or the end of a closed session', 'Atlas Public Policy, Charging Use Data Specification');
INSERT INTO quality.rule VALUES ('S02', 'reject', 'the end is not after the start', 'Atlas');
INSERT INTO quality.rule VALUES ('S03', 'reject', 'energy is missing or negative', 'ours');
INSERT INTO quality.rule VALUES ('S04', 'reject', 'the start is after the arrival, before 2010, or an epoch date', 'ours');
INSERT INTO quality.rule VALUES ('S05', 'reject', 'far more energy than the rated power allows', 'ours');
INSERT INTO quality.rule VALUES ('S06', 'flag', 'mean power is above the rated power', 'Atlas');
INSERT INTO quality.rule VALUES ('S07', 'flag', 'zero energy: a failed start', 'Atlas');
INSERT INTO quality.rule VALUES ('S08', 'flag', 'unusually little or much energy', 'Atlas');
INSERT INTO quality.rule VALUES ('S09', 'flag', 'unusually short or long', 'Atlas');
INSERT INTO quality.rule VALUES ('S10', 'flag', 'charging time is longer than the session', 'Atlas');
INSERT INTO quality.rule VALUES ('S14', 'flag', 'unit suspicion: energy a thousand times off, or an implausible price per kWh', 'ours');
INSERT INTO quality.rule VALUES ('S15', 'flag', 'day and month were swapped in the feed, and swapped back', 'ours');
INSERT INTO quality.rule VALUES ('DST', 'flag', 'a local time that occurs twice or never', 'DEFINITIONS 4, daylight saving');
INSERT INTO quality.rule VALUES ('E01', 'reject', 'charge point, instant or poll''s time is missing or unreadable', 'ours');
INSERT INTO quality.rule VALUES ('E02', 'reject', 'the instant or the poll''s time is after the arrival, or before 2010', 'ours');
INSERT INTO quality.rule VALUES ('E03', 'flag', 'no vocabulary knows the status, so it counts as UNKNOWN', 'ours');
INSERT INTO quality.rule VALUES ('E06', 'reject', 'the feed itself marks the record as invalid', 'customer');
INSERT INTO quality.rule VALUES ('L01', 'reject', 'the charge point''s id is missing', 'ours');
INSERT INTO quality.rule VALUES ('A01', 'reject', 'duration on the wall clock outside 0 to 1,440 minutes', 'Amara-Ouali et al. 2021, doi 10.3390/en14082233');
INSERT INTO quality.rule VALUES ('A02', 'reject', 'energy outside 0 to 100 kWh', 'Amara-Ouali et al. 2021, doi 10.3390/en14082233');


--
-- Data for Name: rule_count; Type: TABLE DATA; Schema: quality; Owner: -
--

INSERT INTO quality.rule_count VALUES ('mill_sessions', '2026-10-05', 'S02', 'reject', 1);
INSERT INTO quality.rule_count VALUES ('mill_sessions', '2026-10-05', 'S09', 'flag', 1);
INSERT INTO quality.rule_count VALUES ('mill_sessions', '2026-10-12', 'S03', 'reject', 1);
INSERT INTO quality.rule_count VALUES ('mill_sessions', '2026-10-12', 'S08', 'flag', 1);
INSERT INTO quality.rule_count VALUES ('mill_status', '2026-10-04', 'E03', 'flag', 1);


--
-- Data for Name: status_disposition; Type: TABLE DATA; Schema: quality; Owner: -
--

INSERT INTO quality.status_disposition VALUES ('mill_status', '2026-10-04', '2026-10-02', 3, 0, 0);
INSERT INTO quality.status_disposition VALUES ('mill_status', '2026-10-04', '2026-10-01', 2, 0, 0);
INSERT INTO quality.status_disposition VALUES ('mill_status', '2026-10-04', '2026-10-03', 2, 0, 0);


--
-- Data for Name: unmapped_status; Type: TABLE DATA; Schema: quality; Owner: -
--

INSERT INTO quality.unmapped_status VALUES ('mill_status', '2026-10-04', 'WEIRD', 1);


--
-- Name: touch_id; Type: SEQUENCE SET; Schema: catalogue; Owner: -
--

SELECT pg_catalog.setval('catalogue.touch_id', 22, true);


--
-- Name: fact_window fact_window_pkey; Type: CONSTRAINT; Schema: catalogue; Owner: -
--

ALTER TABLE ONLY catalogue.fact_window
    ADD CONSTRAINT fact_window_pkey PRIMARY KEY (fact, period_date);


--
-- Name: ingest ingest_pkey; Type: CONSTRAINT; Schema: catalogue; Owner: -
--

ALTER TABLE ONLY catalogue.ingest
    ADD CONSTRAINT ingest_pkey PRIMARY KEY (stream_id, arrival_date);


--
-- Name: object object_pkey; Type: CONSTRAINT; Schema: catalogue; Owner: -
--

ALTER TABLE ONLY catalogue.object
    ADD CONSTRAINT object_pkey PRIMARY KEY (stream_id, sha256);


--
-- Name: stale_edge stale_edge_pkey; Type: CONSTRAINT; Schema: catalogue; Owner: -
--

ALTER TABLE ONLY catalogue.stale_edge
    ADD CONSTRAINT stale_edge_pkey PRIMARY KEY (event_date);


--
-- Name: stream_cover stream_cover_pkey; Type: CONSTRAINT; Schema: catalogue; Owner: -
--

ALTER TABLE ONLY catalogue.stream_cover
    ADD CONSTRAINT stream_cover_pkey PRIMARY KEY (stream_id, arrival_date);


--
-- Name: stream stream_pkey; Type: CONSTRAINT; Schema: catalogue; Owner: -
--

ALTER TABLE ONLY catalogue.stream
    ADD CONSTRAINT stream_pkey PRIMARY KEY (stream_id);


--
-- Name: touched_period touched_period_pkey; Type: CONSTRAINT; Schema: catalogue; Owner: -
--

ALTER TABLE ONLY catalogue.touched_period
    ADD CONSTRAINT touched_period_pkey PRIMARY KEY (fact, stream_id, period_date);


--
-- Name: charge_point_edge charge_point_edge_pkey; Type: CONSTRAINT; Schema: facts; Owner: -
--

ALTER TABLE ONLY facts.charge_point_edge
    ADD CONSTRAINT charge_point_edge_pkey PRIMARY KEY (charge_point_id, connector_id, stream_id, event_date);


--
-- Name: charge_point_month charge_point_month_pkey; Type: CONSTRAINT; Schema: facts; Owner: -
--

ALTER TABLE ONLY facts.charge_point_month
    ADD CONSTRAINT charge_point_month_pkey PRIMARY KEY (month_date, provider_id, authority_id, power_class);


--
-- Name: charge_point charge_point_pkey; Type: CONSTRAINT; Schema: facts; Owner: -
--

ALTER TABLE ONLY facts.charge_point
    ADD CONSTRAINT charge_point_pkey PRIMARY KEY (charge_point_id, valid_from);


--
-- Name: charge_point_status_day charge_point_status_day_pkey; Type: CONSTRAINT; Schema: facts; Owner: -
--

ALTER TABLE ONLY facts.charge_point_status_day
    ADD CONSTRAINT charge_point_status_day_pkey PRIMARY KEY (charge_point_id, status_date);


--
-- Name: charging_session_day charging_session_day_stream_id_charge_point_id_start_date_c_key; Type: CONSTRAINT; Schema: facts; Owner: -
--

ALTER TABLE ONLY facts.charging_session_day
    ADD CONSTRAINT charging_session_day_stream_id_charge_point_id_start_date_c_key UNIQUE NULLS NOT DISTINCT (stream_id, charge_point_id, start_date, currency);


--
-- Name: charging_session charging_session_pkey; Type: CONSTRAINT; Schema: facts; Owner: -
--

ALTER TABLE ONLY facts.charging_session
    ADD CONSTRAINT charging_session_pkey PRIMARY KEY (provider_id, record_kind, session_id, start_date);


--
-- Name: disposition disposition_pkey; Type: CONSTRAINT; Schema: quality; Owner: -
--

ALTER TABLE ONLY quality.disposition
    ADD CONSTRAINT disposition_pkey PRIMARY KEY (stream_id, arrival_date, month_date);


--
-- Name: ingest_count ingest_count_pkey; Type: CONSTRAINT; Schema: quality; Owner: -
--

ALTER TABLE ONLY quality.ingest_count
    ADD CONSTRAINT ingest_count_pkey PRIMARY KEY (stream_id, arrival_date);


--
-- Name: rule_count rule_count_pkey; Type: CONSTRAINT; Schema: quality; Owner: -
--

ALTER TABLE ONLY quality.rule_count
    ADD CONSTRAINT rule_count_pkey PRIMARY KEY (stream_id, arrival_date, rule_id);


--
-- Name: rule rule_pkey; Type: CONSTRAINT; Schema: quality; Owner: -
--

ALTER TABLE ONLY quality.rule
    ADD CONSTRAINT rule_pkey PRIMARY KEY (rule_id);


--
-- Name: status_disposition status_disposition_pkey; Type: CONSTRAINT; Schema: quality; Owner: -
--

ALTER TABLE ONLY quality.status_disposition
    ADD CONSTRAINT status_disposition_pkey PRIMARY KEY (stream_id, arrival_date, status_date);


--
-- Name: unmapped_status unmapped_status_pkey; Type: CONSTRAINT; Schema: quality; Owner: -
--

ALTER TABLE ONLY quality.unmapped_status
    ADD CONSTRAINT unmapped_status_pkey PRIMARY KEY (stream_id, arrival_date, source_status);


--
-- Name: object_arrival; Type: INDEX; Schema: catalogue; Owner: -
--

CREATE INDEX object_arrival ON catalogue.object USING btree (stream_id, arrival_date);


--
-- Name: charge_point_edge_date; Type: INDEX; Schema: facts; Owner: -
--

CREATE INDEX charge_point_edge_date ON facts.charge_point_edge USING btree (event_date);


--
-- Name: charge_point_status_day_date; Type: INDEX; Schema: facts; Owner: -
--

CREATE INDEX charge_point_status_day_date ON facts.charge_point_status_day USING btree (status_date);


--
-- Name: charging_session_day_start_date; Type: INDEX; Schema: facts; Owner: -
--

CREATE INDEX charging_session_day_start_date ON facts.charging_session_day USING btree (start_date);


--
-- Name: charging_session_start_date; Type: INDEX; Schema: facts; Owner: -
--

CREATE INDEX charging_session_start_date ON facts.charging_session USING btree (start_date);


--
-- Name: 1ac9c4d911e0cec69269b1773c5f8450; Type: INDEX; Schema: marts; Owner: -
--

CREATE INDEX "1ac9c4d911e0cec69269b1773c5f8450" ON marts.charge_points_month USING btree (month_date);


--
-- Name: 385dc2c84ee74827af572a753b192363; Type: INDEX; Schema: marts; Owner: -
--

CREATE INDEX "385dc2c84ee74827af572a753b192363" ON marts.charge_point_health_day USING btree (status_date);


--
-- Name: 5a8d188ae864f9e5f8ee3835c85b3954; Type: INDEX; Schema: marts; Owner: -
--

CREATE INDEX "5a8d188ae864f9e5f8ee3835c85b3954" ON marts.network_overview_month USING btree (month_date);


--
-- Name: 6d57ebef454ec5738851e8d37463c909; Type: INDEX; Schema: marts; Owner: -
--

CREATE INDEX "6d57ebef454ec5738851e8d37463c909" ON marts.session_statistics_day USING btree (start_date);


--
-- Name: 8a1f00ef77f073d9fa34f620103df59e; Type: INDEX; Schema: marts; Owner: -
--

CREATE INDEX "8a1f00ef77f073d9fa34f620103df59e" ON marts.data_quality_day USING btree (arrival_date);


--
-- Name: fefdd7a05e571c080ead8cc691be6e00; Type: INDEX; Schema: marts; Owner: -
--

CREATE INDEX fefdd7a05e571c080ead8cc691be6e00 ON marts.data_quality_rule_day USING btree (arrival_date);


--
-- Name: disposition_month; Type: INDEX; Schema: quality; Owner: -
--

CREATE INDEX disposition_month ON quality.disposition USING btree (month_date);


--
-- Name: quarantine_arrival; Type: INDEX; Schema: quality; Owner: -
--

CREATE INDEX quarantine_arrival ON quality.quarantine USING btree (stream_id, arrival_date);


--
-- Name: status_disposition_date; Type: INDEX; Schema: quality; Owner: -
--

CREATE INDEX status_disposition_date ON quality.status_disposition USING btree (status_date);


--
-- Name: sighting sighting_stream_id_sha256_fkey; Type: FK CONSTRAINT; Schema: catalogue; Owner: -
--

ALTER TABLE ONLY catalogue.sighting
    ADD CONSTRAINT sighting_stream_id_sha256_fkey FOREIGN KEY (stream_id, sha256) REFERENCES catalogue.object(stream_id, sha256);


--
-- Name: SCHEMA catalogue; Type: ACL; Schema: -; Owner: -
--

GRANT ALL ON SCHEMA catalogue TO cic_etl;


--
-- Name: SCHEMA facts; Type: ACL; Schema: -; Owner: -
--

GRANT ALL ON SCHEMA facts TO cic_etl;


--
-- Name: SCHEMA marts; Type: ACL; Schema: -; Owner: -
--

GRANT ALL ON SCHEMA marts TO cic_etl;
GRANT USAGE ON SCHEMA marts TO cic_analyst;


--
-- Name: SCHEMA quality; Type: ACL; Schema: -; Owner: -
--

GRANT ALL ON SCHEMA quality TO cic_etl;


--
-- Name: TABLE fact_window; Type: ACL; Schema: catalogue; Owner: -
--

GRANT SELECT,INSERT,DELETE,UPDATE ON TABLE catalogue.fact_window TO cic_etl;


--
-- Name: TABLE ingest; Type: ACL; Schema: catalogue; Owner: -
--

GRANT SELECT,INSERT,DELETE,UPDATE ON TABLE catalogue.ingest TO cic_etl;


--
-- Name: TABLE object; Type: ACL; Schema: catalogue; Owner: -
--

GRANT SELECT,INSERT,DELETE,UPDATE ON TABLE catalogue.object TO cic_etl;


--
-- Name: TABLE touched_period; Type: ACL; Schema: catalogue; Owner: -
--

GRANT SELECT,INSERT,DELETE,UPDATE ON TABLE catalogue.touched_period TO cic_etl;


--
-- Name: TABLE pending_period; Type: ACL; Schema: catalogue; Owner: -
--

GRANT SELECT,INSERT,DELETE,UPDATE ON TABLE catalogue.pending_period TO cic_etl;


--
-- Name: TABLE sighting; Type: ACL; Schema: catalogue; Owner: -
--

GRANT SELECT,INSERT,DELETE,UPDATE ON TABLE catalogue.sighting TO cic_etl;


--
-- Name: TABLE stale_edge; Type: ACL; Schema: catalogue; Owner: -
--

GRANT SELECT,INSERT,DELETE,UPDATE ON TABLE catalogue.stale_edge TO cic_etl;


--
-- Name: TABLE stream; Type: ACL; Schema: catalogue; Owner: -
--

GRANT SELECT,INSERT,DELETE,UPDATE ON TABLE catalogue.stream TO cic_etl;


--
-- Name: TABLE stream_cover; Type: ACL; Schema: catalogue; Owner: -
--

GRANT SELECT,INSERT,DELETE,UPDATE ON TABLE catalogue.stream_cover TO cic_etl;


--
-- Name: SEQUENCE touch_id; Type: ACL; Schema: catalogue; Owner: -
--

GRANT USAGE ON SEQUENCE catalogue.touch_id TO cic_etl;


--
-- Name: TABLE charge_point; Type: ACL; Schema: facts; Owner: -
--

GRANT SELECT,INSERT,DELETE,UPDATE ON TABLE facts.charge_point TO cic_etl;


--
-- Name: TABLE charge_point_edge; Type: ACL; Schema: facts; Owner: -
--

GRANT SELECT,INSERT,DELETE,UPDATE ON TABLE facts.charge_point_edge TO cic_etl;


--
-- Name: TABLE charge_point_month; Type: ACL; Schema: facts; Owner: -
--

GRANT SELECT,INSERT,DELETE,UPDATE ON TABLE facts.charge_point_month TO cic_etl;


--
-- Name: TABLE charge_point_status_day; Type: ACL; Schema: facts; Owner: -
--

GRANT SELECT,INSERT,DELETE,UPDATE ON TABLE facts.charge_point_status_day TO cic_etl;


--
-- Name: TABLE charging_session; Type: ACL; Schema: facts; Owner: -
--

GRANT SELECT,INSERT,DELETE,UPDATE ON TABLE facts.charging_session TO cic_etl;


--
-- Name: TABLE charging_session_day; Type: ACL; Schema: facts; Owner: -
--

GRANT SELECT,INSERT,DELETE,UPDATE ON TABLE facts.charging_session_day TO cic_etl;


--
-- Name: TABLE charge_point_health_day; Type: ACL; Schema: marts; Owner: -
--

GRANT SELECT ON TABLE marts.charge_point_health_day TO cic_analyst;
GRANT SELECT,INSERT,DELETE,UPDATE ON TABLE marts.charge_point_health_day TO cic_etl;


--
-- Name: TABLE charge_points_month; Type: ACL; Schema: marts; Owner: -
--

GRANT SELECT ON TABLE marts.charge_points_month TO cic_analyst;


--
-- Name: TABLE data_quality_day; Type: ACL; Schema: marts; Owner: -
--

GRANT SELECT ON TABLE marts.data_quality_day TO cic_analyst;
GRANT SELECT,INSERT,DELETE,UPDATE ON TABLE marts.data_quality_day TO cic_etl;


--
-- Name: TABLE data_quality_rule_day; Type: ACL; Schema: marts; Owner: -
--

GRANT SELECT ON TABLE marts.data_quality_rule_day TO cic_analyst;
GRANT SELECT,INSERT,DELETE,UPDATE ON TABLE marts.data_quality_rule_day TO cic_etl;


--
-- Name: TABLE disposition; Type: ACL; Schema: quality; Owner: -
--

GRANT SELECT,INSERT,DELETE,UPDATE ON TABLE quality.disposition TO cic_etl;


--
-- Name: TABLE ingest_count; Type: ACL; Schema: quality; Owner: -
--

GRANT SELECT,INSERT,DELETE,UPDATE ON TABLE quality.ingest_count TO cic_etl;


--
-- Name: TABLE status_disposition; Type: ACL; Schema: quality; Owner: -
--

GRANT SELECT,INSERT,DELETE,UPDATE ON TABLE quality.status_disposition TO cic_etl;


--
-- Name: TABLE reconciliation; Type: ACL; Schema: quality; Owner: -
--

GRANT SELECT,INSERT,DELETE,UPDATE ON TABLE quality.reconciliation TO cic_etl;


--
-- Name: TABLE data_reconciliation_day; Type: ACL; Schema: marts; Owner: -
--

GRANT SELECT ON TABLE marts.data_reconciliation_day TO cic_analyst;
GRANT SELECT,INSERT,DELETE,UPDATE ON TABLE marts.data_reconciliation_day TO cic_etl;


--
-- Name: TABLE dim_authority; Type: ACL; Schema: marts; Owner: -
--

GRANT SELECT ON TABLE marts.dim_authority TO cic_analyst;
GRANT SELECT,INSERT,DELETE,UPDATE ON TABLE marts.dim_authority TO cic_etl;


--
-- Name: TABLE dim_charge_point; Type: ACL; Schema: marts; Owner: -
--

GRANT SELECT ON TABLE marts.dim_charge_point TO cic_analyst;
GRANT SELECT,INSERT,DELETE,UPDATE ON TABLE marts.dim_charge_point TO cic_etl;


--
-- Name: TABLE dim_date; Type: ACL; Schema: marts; Owner: -
--

GRANT SELECT ON TABLE marts.dim_date TO cic_analyst;
GRANT SELECT,INSERT,DELETE,UPDATE ON TABLE marts.dim_date TO cic_etl;


--
-- Name: TABLE dim_provider; Type: ACL; Schema: marts; Owner: -
--

GRANT SELECT ON TABLE marts.dim_provider TO cic_analyst;
GRANT SELECT,INSERT,DELETE,UPDATE ON TABLE marts.dim_provider TO cic_etl;


--
-- Name: TABLE network_overview_month; Type: ACL; Schema: marts; Owner: -
--

GRANT SELECT ON TABLE marts.network_overview_month TO cic_analyst;


--
-- Name: TABLE session_statistics_day; Type: ACL; Schema: marts; Owner: -
--

GRANT SELECT ON TABLE marts.session_statistics_day TO cic_analyst;


--
-- Name: TABLE quarantine; Type: ACL; Schema: quality; Owner: -
--

GRANT SELECT,INSERT,DELETE,UPDATE ON TABLE quality.quarantine TO cic_etl;


--
-- Name: TABLE rule; Type: ACL; Schema: quality; Owner: -
--

GRANT SELECT,INSERT,DELETE,UPDATE ON TABLE quality.rule TO cic_etl;


--
-- Name: TABLE rule_count; Type: ACL; Schema: quality; Owner: -
--

GRANT SELECT,INSERT,DELETE,UPDATE ON TABLE quality.rule_count TO cic_etl;


--
-- Name: TABLE unmapped_status; Type: ACL; Schema: quality; Owner: -
--

GRANT SELECT,INSERT,DELETE,UPDATE ON TABLE quality.unmapped_status TO cic_etl;


--
-- Name: DEFAULT PRIVILEGES FOR TABLES; Type: DEFAULT ACL; Schema: marts; Owner: -
--

ALTER DEFAULT PRIVILEGES FOR ROLE postgres IN SCHEMA marts GRANT SELECT ON TABLES TO cic_analyst;


--
-- PostgreSQL database dump complete
--


