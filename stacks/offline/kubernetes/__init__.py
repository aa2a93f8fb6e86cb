"""A Kubernetes provider for Pulumi that has no cluster: it checks objects and renders them.

It stands in for pulumi-kubernetes with `render_yaml_to_directory`, the mode in which that provider
has no cluster either: objects become YAML files in a folder, and a tool inside the network (Argo
CD) applies them. What it adds is what a cluster would have said:

- **Every object fits its schema**: those of Kubernetes from the package `kubernetes-validate`,
  those of custom resources from `data/crds/`. A kind without a schema is an error, and so is a
  field that the schema does not have (a cluster drops it silently). Rules that a custom resource
  states in CEL are not evaluated.
- **Nothing secret is written**: an object that holds a secret value is refused.
- **Names and files are those of the real provider**: automatic names, the default namespace,
  `0-crd/` and `1-manifest/`. A replacement is planned where the real provider plans one.

What it does not do: charts, kustomizations and patches (they need a cluster or a download), lists,
and reading what is in a cluster.
"""
