/* capitalize client: sends each line that you type, and prints the reply.
 *
 *     gcc -Wall -o client client.c && ./client HOST PORT
 *
 * Each gap(...) below is yours: put code in its place that does what it says.
 * The names after the words are the variables it needs.
 */
#include <arpa/inet.h>
#include <netdb.h>
#include <netinet/in.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

/* Stands where your code is missing. What it returns here, yours must give. */
static int gap(int number, const char *what, ...)
{
    fprintf(stderr, "gap %d is open: %s\n", number, what);
    exit(1);
}

int main(int argc, char **argv)
{
    if (argc != 3) {
        fprintf(stderr, "usage: client HOST PORT\n");
        return 2;
    }
    const char *host = argv[1], *port = argv[2];

    int sock = gap(1, "a connection to the server (getaddrinfo, socket, connect)", host, port);
    FILE *replies = fdopen(dup(sock), "r"); /* to read whole lines from */

    char line[4096], reply[4096];
    while (fgets(line, sizeof line, stdin)) {
        gap(2, "send all of the line", sock, line);
        if (!fgets(reply, sizeof reply, replies))
            break; /* the server has closed: CLOSE SOCKET has no reply */
        gap(3, "print the reply, and flush", reply);
    }
    gap(4, "close the connection", sock);
    return 0;
}
