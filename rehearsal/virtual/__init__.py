"""Emulated servers: Debian's own kernel on two sockets, four NVMe, a bond, a switch, a TPM."""
