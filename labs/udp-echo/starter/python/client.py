#!/usr/bin/env python3
"""udp-echo client: sends each line as a datagram, and waits for its echo.

    python3 client.py HOST PORT

Each gap(...) below is yours: put code in its place that does what it says.
The names after the words are the variables it needs.
"""
import socket
import sys


def gap(number, what, *_uses):
    """Stands where your code is missing. What it returns here, yours must give."""
    sys.exit(f"gap {number} is open: {what}")


# How long an echo may take. Without a limit, one lost datagram stops you for ever.
TIMEOUT = 1.0


def main():
    if len(sys.argv) != 3:
        sys.exit("usage: python3 client.py HOST PORT")
    host, port = sys.argv[1], int(sys.argv[2])

    sock = gap(1, "a UDP socket whose recvfrom gives up after a while (settimeout)", TIMEOUT)

    for line in sys.stdin:
        message = line.rstrip("\n").encode()
        gap(2, "send the message as one datagram (sendto)", sock, message, (host, port))
        try:
            echo, address = gap(3, "the echo (recvfrom)", sock)
            print(echo.decode(), flush=True)
        except OSError:
            gap(4, "say that the echo was lost, or send the message again", message)


if __name__ == "__main__":
    main()
