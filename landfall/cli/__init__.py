"""The command: arguments to calls. The only package that sees all of Landfall."""
