/* tcp-echo server: sends back every byte it receives.
 *
 *     gcc -Wall -o server server.c && ./server PORT
 *
 * Each gap(...) below is yours: put code in its place that does what it says.
 * The names after the words are the variables it needs.
 */
#include <arpa/inet.h>
#include <netinet/in.h>
#include <signal.h>
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

/* One client, until it sends no more. */
static void serve(int connection)
{
    char buffer[4096];
    for (;;) {
        ssize_t got = gap(3, "what the client has sent (recv)", connection, buffer);
        if (got <= 0)
            break; /* 0: the client has sent FIN; -1: the connection is lost */
        gap(4, "send all of it back: one send may take less", connection, buffer, got);
    }
    gap(5, "close the connection", connection);
}

int main(int argc, char **argv)
{
    if (argc != 2) {
        fprintf(stderr, "usage: server PORT\n");
        return 2;
    }
    int port = atoi(argv[1]);
    signal(SIGPIPE, SIG_IGN); /* send to a client that is gone fails, and does not end us */

    int listener = gap(1, "a TCP socket that listens on the port, with SO_REUSEADDR", port);
    printf("listening on port %d\n", port);
    fflush(stdout);

    for (;;) {
        int connection = gap(2, "the next client (accept)", listener);
        serve(connection);
    }
}
