"""An OpenAI-compatible server for one engine: continuous batching, explicit limits, clean ends.

Verified before loaded, ready only after a token was really generated, drained before it stops.
Prompts and answers are never written to a log.
"""
