"""Engines: a registered model turned into something that one kind of host can serve.

Spec, facts, plan, run: `spec` and `facts` are read, `plan` is a value, `build` carries it out.
`store` keeps what was built by its key, `serve` answers requests from it. The package also runs on
the hosts of a site, so it depends on little.
"""
