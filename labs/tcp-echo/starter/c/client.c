/* tcp-echo client: sends each line that you type, and prints its echo.
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

/* As many bytes as were sent: one recv may give fewer. */
static void receive_exactly(int sock, char *data, size_t length)
{
    for (size_t have = 0; have < length;) {
        ssize_t got = gap(3, "more of the echo (recv)", sock, data + have, length - have);
        if (got <= 0) {
            fprintf(stderr, "the server closed before its echo was whole\n");
            exit(1);
        }
        have += got;
    }
}

int main(int argc, char **argv)
{
    if (argc != 3) {
        fprintf(stderr, "usage: client HOST PORT\n");
        return 2;
    }
    const char *host = argv[1], *port = argv[2];

    int sock = gap(1, "a connection to the server (getaddrinfo, socket, connect); if refused, say so, exit 1", host, port);

    char line[4096];
    while (fgets(line, sizeof line, stdin)) {
        size_t length = strlen(line);
        gap(2, "send all of the line", sock, line, length);
        receive_exactly(sock, line, length);
        fwrite(line, 1, length, stdout);
        fflush(stdout);
    }
    gap(4, "close the connection", sock);
    return 0;
}
