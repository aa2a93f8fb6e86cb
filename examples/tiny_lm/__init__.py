"""The training job of the rehearsal: a byte-level language model that trains within a minute.

It is a parrot: it has read a few pages about Landfall and repeats them when asked in words close to
those that it read. It exists so that a rehearsal has a real model to train, interrupt, register,
quantise, sign, serve and ask; what it says about anything else means nothing.
"""
