"""Every fact that there is, in the order in which a run computes them. A new one is added here."""

from cic_assets.facts.charge_point_months import CHARGE_POINT_MONTH
from cic_assets.facts.charge_point_status import CHARGE_POINT_STATUS
from cic_assets.facts.charging_session import CHARGING_SESSION
from cic_assets.facts.fact import Fact

FACTS: tuple[Fact, ...] = (CHARGE_POINT_STATUS, CHARGING_SESSION, CHARGE_POINT_MONTH)
FACT_NAMES = tuple(fact.name for fact in FACTS)
