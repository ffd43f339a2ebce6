#!/usr/bin/env python3
"""tcp-echo server: sends back every byte it receives.

    python3 server.py PORT

Each gap(...) below is yours: put code in its place that does what it says.
The names after the words are the variables it needs.
"""
import socket
import sys


def gap(number, what, *_uses):
    """Stands where your code is missing. What it returns here, yours must give."""
    sys.exit(f"gap {number} is open: {what}")


def serve(connection):
    """One client, until it sends no more."""
    while True:
        data = gap(3, "what the client has sent (recv)", connection)
        if not data:
            break  # recv gave nothing: the client has sent FIN
        gap(4, "send all of it back", connection, data)
    gap(5, "close the connection", connection)


def main():
    if len(sys.argv) != 2:
        sys.exit("usage: python3 server.py PORT")
    port = int(sys.argv[1])

    listener = gap(1, "a TCP socket that listens on the port, with SO_REUSEADDR", port)
    print(f"listening on port {port}", flush=True)

    while True:
        connection, address = gap(2, "the next client (accept)", listener)
        print("connected:", address, flush=True)
        try:
            serve(connection)
        except OSError as error:
            # One client's failure is not the server's end.
            print("lost:", address, error, flush=True)


if __name__ == "__main__":
    main()
