/* mt-server: answers many clients at once, each on a thread of its own.
 *
 *     gcc -Wall -pthread -o server server.c && ./server PORT
 *
 * Each gap(...) below is yours: put code in its place that does what it says.
 * The names after the words are the variables it needs.
 */
#include <arpa/inet.h>
#include <netinet/in.h>
#include <pthread.h>
#include <signal.h>
#include <stdint.h>
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

/* Shared by all threads: only who holds the lock may touch the counter. */
static pthread_mutex_t lock = PTHREAD_MUTEX_INITIALIZER;
static int clients = 0;

/* A number for a new client, never given twice. */
static int next_number(void)
{
    return gap(3, "count up under the lock, and return the number", &lock, &clients);
}

/* One client's thread. Each has its own stack, so its own buffer and number. */
static void *serve(void *argument)
{
    int connection = (int)(intptr_t)argument, number = next_number();
    char message[4096];
    for (;;) {
        ssize_t got = gap(4, "the client's next message (recv)", connection, message);
        if (got <= 0)
            break;
        gap(5, "answer with 'client NUMBER: ' and the message", connection, number, message, got);
    }
    gap(6, "close the connection", connection);
    return NULL;
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
        pthread_t thread;
        if (pthread_create(&thread, NULL, serve, (void *)(intptr_t)connection) == 0)
            pthread_detach(thread);
        else
            close(connection);
    }
}
