import sys

import client
import server

if sys.argv[1] == "serve":
    server.start(int(sys.argv[2]))
else:
    client.start(sys.argv[2], sys.argv[3], int(sys.argv[4]))
