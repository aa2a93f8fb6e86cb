"""Providers for Pulumi that need no account: they rehearse plans, they do not emulate AWS.

A real engine runs a real program against it (`OfflineCloud`), so `preview`, `up`, `refresh` and
`destroy` work on a laptop and in a pull request. Nothing is created anywhere; what an `up` makes
exists in the engine's state and nowhere else.

What it knows, and from where:

- **Which properties exist**, their types, and which are required: from the signatures of the
  installed `pulumi_aws` (`schema`, `check`). An unknown or wrong property is an error, all at once.
- **What a change does**: update, replacement, nothing: from `data/aws_semantics.json` and
  `data/additions.toml`, read from the Terraform provider's source (`semantics`, `compare`,
  `conditions`, `equality`, `diff`).
- **What AWS refuses** although the types are right: networks, tunnels, steps and pairs
  (`constraints`), each rule with its source.
- **What a provider fills in**: defaults, names, tags, region (`prepare`).
- **What AWS answers**: ids, ARNs and addresses in AWS's form, the same in every run (`templates`,
  `outputs`, `special`, `stale`, `vpn`), and the results of sixteen functions (`invokes`,
  `policy_document`).
- **What a Kubernetes object may look like**, and how it is rendered (`kubernetes`).

The tables are those of one release of the SDK; `record` notices another. Where it differs from
the real provider, knowingly:

- It does not know what is in an account: quotas, names that are taken, images, drift. `refresh`
  finds nothing, and an import or a read of something outside the state is an error.
- Of a type outside the table it checks the properties only; the engine plans a change as an update,
  and `doubts` says that it is unknown, as a report must show it. A function outside the table is an
  error.
- Where the provider asks AWS whether a change replaces, the answer is the careful one
  (`conditions.CONSERVATIVE`). Values with a comparison of their own that is not followed here may
  show a change that AWS would not see (`equality`).
- Text that only AWS can know reads `offline:<type>.<property>`; times are 2000-01-01; numbers and
  lists are zero and empty. Secrets that AWS would make (pre-shared keys, passwords) are empty.
- Defaults that AWS leaves out because another property excludes them are filled in all the same:
  the SDK does not say which properties exclude each other.
- Availability zones are the region's name and the letters a, b, c.

State that it made is marked twice: each provider resource in it carries the input
`landfallOffline`, without which this provider refuses to touch it, and its folder can be marked
with a file (`mark`, `is_marked`), by which a run with a real provider can be refused.
"""

from stacks.offline.marker import is_marked, mark
from stacks.offline.server import OfflineCloud
from stacks.offline.uncertain import doubts

__all__ = ["OfflineCloud", "doubts", "is_marked", "mark"]
