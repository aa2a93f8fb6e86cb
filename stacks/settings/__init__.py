"""The configuration of a stack, checked as a whole before any resource is declared.

Pulumi.yaml names the keys and their plain types; here is all that needs more: ranges, catalogs,
and what one key means for another. One module for each group of keys.
"""

from stacks.settings.loading import Inputs, check_file, kubernetes_of, load
from stacks.settings.whole import Settings

__all__ = ["Inputs", "Settings", "check_file", "kubernetes_of", "load"]
