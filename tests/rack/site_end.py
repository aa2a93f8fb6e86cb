"""Who asks over the link in the rack: another server of the site, and what answers in the cloud."""

from __future__ import annotations

HERE, THERE, NEIGHBOUR = "10.78.32.1", "10.100.0.10", "10.78.32.9"
"""The edge's address at the site, the cloud's resolver, and another server of the site."""

NAME, MEANS = "s3.eu-central-1.amazonaws.com", "10.100.0.77"

RESOLVER = f"""
import socket, threading
def web(port):
    with socket.create_server(("{THERE}", port)) as server:
        while True:
            asking, who = server.accept()
            asking.sendall(who[0].encode())
            asking.close()
for port in (443, 8443):
    threading.Thread(target=web, args=(port,), daemon=True).start()
with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as server:
    server.bind(("{THERE}", 53))
    while True:
        asked, who = server.recvfrom(2000)
        end = asked.index(b"\\0", 12) + 5
        a = asked[end - 3] == 1
        head = asked[:2] + bytes([0x81, 0x80, 0, 1, 0, a, 0, 0, 0, 0])
        answer = bytes([192, 12, 0, 1, 0, 1, 0, 0, 0, 9, 0, 4]) + socket.inet_aton("{MEANS}")
        server.sendto(head + asked[12:end] + (answer if a else b""), who)
        print(who[0], flush=True)
"""
"""The cloud's resolver, which knows one answer and prints who asked; and two servers beside it."""

ASK_NAME = f"""
import socket, sys
labels = b"".join(bytes([len(each)]) + each.encode() for each in "{NAME}".split("."))
asking = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
asking.settimeout(15)
asking.connect((sys.argv[1], 53))
asking.send(bytes([1, 2, 1, 0, 0, 1, 0, 0, 0, 0, 0, 0]) + labels + bytes([0, 0, 1, 0, 1]))
print(socket.inet_ntoa(asking.recv(2000)[-4:]))
"""

ASK_WEB = f"""
import socket, sys
with socket.create_connection(("{THERE}", int(sys.argv[1])), 10) as asking:
    print(asking.recv(100).decode())
"""

NEIGHBOUR_UP = f"""
ip netns add site
ip link add site0 type veth peer name eth0 netns site
ip link set site0 up
ip route add {NEIGHBOUR} dev site0
ip -n site link set eth0 up
ip -n site address add {NEIGHBOUR}/32 dev eth0
ip -n site route add {HERE} dev eth0
ip -n site route add default via {HERE}
"""
"""Another server of the site, behind the edge: a namespace on it."""
