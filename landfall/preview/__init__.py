"""From changes to one report, in the order: mask, escape, drop whole sections, write."""
