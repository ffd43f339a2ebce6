import os
import socket
import sys

s = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
s.setsockopt(socket.SOL_SOCKET, socket.SO_BROADCAST, 1)
message = f"Hello everybody, this is process {os.getpid()}!"
sent = s.sendto(message.encode(), ("<broadcast>", int(sys.argv[1])))
print("sent", sent, "bytes")
s.close()
