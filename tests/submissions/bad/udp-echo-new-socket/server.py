import socket
import sys
import threading


def reply(data, client):
    out = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
    out.sendto(data, client)
    out.close()


def main():
    listener = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
    listener.bind(("", int(sys.argv[1])))
    print("Waiting for datagrams")
    while True:
        data, client = listener.recvfrom(65535)
        threading.Thread(target=reply, args=(data, client)).start()


if __name__ == "__main__":
    main()
