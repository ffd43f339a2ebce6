/* udp-echo client: sends each line as a datagram, and waits for its echo.
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
#include <sys/time.h>
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
    struct timeval patience = {1, 0}; /* without a limit, one lost datagram stops you for ever */

    struct addrinfo *server = NULL;
    gap(1, "the server's address (getaddrinfo with SOCK_DGRAM)", host, port, &server);
    int sock = gap(2, "a UDP socket whose recvfrom gives up after a while (SO_RCVTIMEO)", &patience);

    char line[4096], echo[65536];
    while (fgets(line, sizeof line, stdin)) {
        line[strcspn(line, "\n")] = 0;
        gap(3, "send the line as one datagram (sendto)", sock, line, server);
        ssize_t got = gap(4, "the echo (recvfrom)", sock, echo);
        if (got < 0) {
            gap(5, "say that the echo was lost, or send the line again", line);
        } else {
            printf("%.*s\n", (int)got, echo);
            fflush(stdout);
        }
    }
    return 0;
}
