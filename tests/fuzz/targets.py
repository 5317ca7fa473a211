"""The table of all targets."""

from tests.fuzz import enode_targets, http_targets, price_targets, text_targets
from tests.fuzz.target import Target

TARGETS: dict[str, Target] = {
    one.name: one
    for module in (enode_targets, price_targets, text_targets, http_targets)
    for one in module.TARGETS
}  # fmt: skip
