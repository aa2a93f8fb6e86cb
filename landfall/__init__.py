"""Landfall: train in the cloud, infer on your own metal."""
