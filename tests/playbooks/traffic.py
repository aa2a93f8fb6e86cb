"""Requests all the time, as through a balancer, and what became of each."""

from __future__ import annotations

import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field

import httpx

KEY = "clinic-key-0123456789abcdef"
PLAIN = False
"""No TLS here, so that no certificates are read: for each request that takes more than the rest."""
CHECK_S = 0.5
"""How often the balancer of these tests asks a host for its health."""


def ask(gateway: str, text: str, *, timeout_s: float = 30.0) -> httpx.Response:
    body = {"model": "tiny-lm", "messages": [{"role": "user", "content": text}]}
    headers = {"Authorization": f"Bearer {KEY}"}
    url = f"{gateway}/v1/chat/completions"
    return httpx.post(url, json=body, headers=headers, timeout=timeout_s, verify=PLAIN)


@dataclass
class Traffic:
    """Requests all the time, through a balancer that asks /health and never tries again."""

    gateways: dict[str, str]
    answered: list[tuple[str, str]] = field(default_factory=list)
    lost: list[str] = field(default_factory=list)
    healthy: list[str] = field(default_factory=list)
    ended: threading.Event = field(default_factory=threading.Event)

    @contextmanager
    def running(self, senders: int = 3) -> Iterator[Traffic]:
        self.healthy = [name for name in self.gateways if self._is_healthy(name)]
        threads = [threading.Thread(target=self._check)]
        threads += [threading.Thread(target=self._send) for _ in range(senders)]
        for thread in threads:
            thread.start()
        try:
            yield self
        finally:
            self.ended.set()
            for thread in threads:
                thread.join()

    @property
    def models(self) -> set[str]:
        return {model for _, model in self.answered}

    def _is_healthy(self, name: str) -> bool:
        try:
            address = f"{self.gateways[name]}/health"
            return httpx.get(address, timeout=1, verify=PLAIN).status_code == 200
        except httpx.HTTPError:
            return False

    def _check(self) -> None:
        while not self.ended.wait(CHECK_S):
            self.healthy = [name for name in self.gateways if self._is_healthy(name)]

    def _send(self) -> None:
        number = 0
        while not self.ended.is_set():
            number += 1
            hosts = self.healthy
            if not hosts:
                self.lost.append("no host is healthy")
                time.sleep(CHECK_S)
                continue
            name = hosts[number % len(hosts)]
            try:
                answer = ask(self.gateways[name], "wait 0.3")
            except httpx.HTTPError as error:
                self.lost.append(f"{name}: {error!r}")
                continue
            if answer.status_code == 200:
                self.answered.append((name, answer.json()["model"]))
            else:
                self.lost.append(f"{name}: {answer.status_code} {answer.text}")
