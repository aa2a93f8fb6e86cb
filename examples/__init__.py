"""What people do with Landfall, in small."""
