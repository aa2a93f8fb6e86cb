"""Stand-ins for the account and the hardware."""
