/* multicast receiver: joins a group and prints what is sent to it.
 *
 *     gcc -Wall -o receiver receiver.c && ./receiver GROUP PORT
 *
 * Each gap(...) below is yours: put code in its place that does what it says.
 * The names after the words are the variables it needs.
 */
#include <arpa/inet.h>
#include <netinet/in.h>
#include <stdio.h>
#include <stdlib.h>
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
        fprintf(stderr, "usage: receiver GROUP PORT\n");
        return 2;
    }
    const char *group = argv[1];
    int port = atoi(argv[2]);

    int sock = gap(1, "a UDP socket with SO_REUSEADDR, bound to the port", port);

    /* The interface to join on: INADDR_ANY leaves the choice to the routes. */
    struct ip_mreq membership;
    membership.imr_multiaddr.s_addr = inet_addr(group);
    membership.imr_interface.s_addr = htonl(INADDR_ANY);
    gap(2, "join the group (setsockopt IP_ADD_MEMBERSHIP)", sock, &membership);
    printf("joined %s, port %d\n", group, port);
    fflush(stdout);

    for (;;) {
        char message[65536];
        struct sockaddr_in address;
        socklen_t length = sizeof address;
        ssize_t got = gap(3, "the next datagram and its sender (recvfrom)", sock, message, &address, &length);
        if (got >= 0)
            gap(4, "print the message and who sent it, and flush", message, got, &address);
    }
}
