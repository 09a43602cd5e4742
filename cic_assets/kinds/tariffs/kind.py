"""Tariffs: what charging costs, and under which restrictions."""

from cic_assets.kinds.kind import Kind, Work
from cic_assets.kinds.tariffs.stream import TariffsStream

_TEMPLATE = """\
# OCPI: the tariffs under `data`, in each its elements and in each its prices; a record per price.
format: {type: json, records: data, each: [elements, price_components]}
claims: ["{id}_*.json"]
{expressions}
  tariff_id: id
  currency: currency
  tariff_type: type
  position: "`cic.position`"
  component: "`elements.price_components.type`"
  price: "`elements.price_components.price`"
  vat: "`elements.price_components.vat`"
  step_size: "`elements.price_components.step_size`"
  start_time: "`elements.restrictions.start_time`"
  end_time: "`elements.restrictions.end_time`"
  start_date: "`elements.restrictions.start_date`"
  end_date: "`elements.restrictions.end_date`"
  days: "`elements.restrictions.day_of_week`"
  min_kwh: "`elements.restrictions.min_kwh`"
  max_kwh: "`elements.restrictions.max_kwh`"
  min_current: "`elements.restrictions.min_current`"
  max_current: "`elements.restrictions.max_current`"
  min_power: "`elements.restrictions.min_power`"
  max_power: "`elements.restrictions.max_power`"
  min_duration: "`elements.restrictions.min_duration`"
  max_duration: "`elements.restrictions.max_duration`"
  reservation: "`elements.restrictions.reservation`"
  min_price: "`min_price.excl_vat`"
  max_price: "`max_price.excl_vat`"
  valid_from: start_date_time
  valid_to: end_date_time
  last_updated: last_updated
"""


def _work() -> Work:
    from cic_assets.kinds.tariffs import harmonise, schema

    return Work(schema=schema.ACCEPTED, harmonise=harmonise.harmonise)


TARIFFS = Kind(
    name="tariffs",
    description="Prices of tariffs as operators publish them, all versions, one row per price of an element.",
    stream=TariffsStream,
    template=_TEMPLATE,
    load=_work,
    newest="arrived_at",
    identity=(
        "source_file", "source_line", "tariff_id", "position", "component", "price", "vat_pct", "currency",
        "valid_from", "valid_to", "authority_id", "provider_id", "flags",
    ),
    shown=(
        "tariff_id", "currency", "position", "component", "price", "vat_pct", "step_size", "start_time", "end_time",
        "days", "valid_from", "valid_to", "flags",
    ),
    made_of={"vat_pct": ("vat",)},
    grain="tariff_id",
)  # fmt: skip
