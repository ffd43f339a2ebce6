import socket
import sys


def main():
    host, port = sys.argv[1], int(sys.argv[2])
    client = socket.socket(socket.AF_INET, socket.SOCK_STREAM)
    try:
        client.connect((host, port))
    except ConnectionRefusedError:
        print("The server is not running (connection refused).")
        return 1
    while True:
        try:
            message = input("Message (empty to stop): ")
        except EOFError:
            break
        if message == "":
            break
        client.sendall(message.encode() + b"\n")
        reply = client.recv(1024)
        if not reply:
            print("Server closed the connection.")
            break
        print("Server answered:", message)
    client.close()
    return 0


sys.exit(main())
