#!/usr/bin/env python3
import argparse
from socket import AF_INET6, SO_REUSEADDR, SOCK_STREAM, SOL_SOCKET, socket


def main():
    parser = argparse.ArgumentParser(description="who calls, over IPv6")
    parser.add_argument("port", type=int)
    args = parser.parse_args()

    with socket(AF_INET6, SOCK_STREAM) as listener:
        listener.setsockopt(SOL_SOCKET, SO_REUSEADDR, 1)
        listener.bind(("::1", args.port))
        listener.listen()
        while True:
            conn, peer = listener.accept()
            with conn:
                print(f"connection from [{peer[0]}]:{peer[1]}", flush=True)


if __name__ == "__main__":
    main()
