"""Terms of the fiscal data format (54-FZ) that providers share, in the order of their codes, which our items carry."""

from typing import Final

#: Payment subject, tag 1212, from 1.
SUBJECTS: Final = (
    "commodity", "excise", "job", "service", "gambling_bet", "gambling_prize", "lottery", "lottery_prize",
    "intellectual_activity", "payment", "agent_commission", "composite", "another", "property_right",
    "non_operating_gain", "insurance_premium", "sales_tax", "resort_fee", "lien", "cost",
    "pension_insurance_without_payouts", "pension_insurance_with_payouts", "health_insurance_without_payouts",
    "health_insurance_with_payouts", "health_insurance", "casino",
)  # fmt: skip
#: Characters of a line's name, tag 1030.
MAX_NAME: Final = 128
