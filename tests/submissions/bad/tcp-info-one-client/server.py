import socket
import sys


def main():
    port = int(sys.argv[1])
    server = socket.socket(socket.AF_INET, socket.SOCK_STREAM)
    server.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
    server.bind(("0.0.0.0", port))
    server.listen(5)
    print("Listening...")

    client, address = server.accept()
    print("Connection from IP:", address[0], "port:", address[1])
    try:
        client.sendall(b"Thanks for visiting\n")
    except OSError:
        print("client went away early")
    client.close()
    server.close()


main()
