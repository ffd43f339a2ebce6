import socket
import sys


def describe(message, ip, port):
    first = message.decode(errors="replace")[0]
    return f"message starting with {first!r} ({len(message)} bytes) from {ip} port {port}"


def main():
    server = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
    server.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
    server.bind(("", int(sys.argv[1])))
    while True:
        message, (ip, port) = server.recvfrom(8192)
        print(describe(message, ip, port))
        server.sendto(f"{ip} {port}".encode(), (ip, port))


if __name__ == "__main__":
    main()
