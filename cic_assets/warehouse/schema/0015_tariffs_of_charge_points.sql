-- Which tariffs apply at a charge point's connectors, as its registry says: ids with commas between, in order.
alter table facts.charge_point add column tariff_ids text;
