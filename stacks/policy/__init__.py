"""The policy pack: what no environment may be, decided over the plan before anything is made.

Each module in `rules` holds one `Rule`: a pure function over a resource (or over all of a stack)
and the settings of the environment. `pack` adapts them to Pulumi's policy engine, which starts
this folder as a program of its own, so nothing here imports the SDK of a cloud.

`pulumi up --policy-pack stacks/policy` runs them with Pulumi's own distribution; `landfall preview`
and `landfall up` always do.
"""
